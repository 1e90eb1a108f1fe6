//! Fewer rows with fewer and plainer values, over which a migration fails in the same way.

use super::row::Row;
use super::search::{Search, Sign};
use super::values;

/// How many runs making one set of rows smaller may take, and making its values plainer.
pub(super) const SMALLER: usize = 80;
/// From more rows than these on, all that need not be there is left out at once first.
const MANY: usize = 4;
/// Texts up to this length are left as they are.
const PLAIN: usize = 16;

impl Search<'_> {
    /// Fewer rows, then fewer values, that fail in the same way.
    pub(super) async fn smaller(&self, rows: Vec<Row>, extra: &[String], script: &str, sign: &Sign) -> Vec<Row> {
        let mut left = SMALLER;
        let rows = match rows.len() > MANY {
            true => self.barer(rows, extra, script, sign, &mut left).await,
            false => rows,
        };
        let rows = self.fewer(rows, extra, script, sign, &mut left).await;
        let rows = self.sparser(rows, extra, script, sign, &mut left).await;
        // A parent whose children no longer point to it can go as well.
        let rows = self.fewer(rows, extra, script, sign, &mut left).await;
        self.plainer(rows, extra, script, sign, &mut SMALLER.clone()).await
    }

    /// Everything that need not be there left out at once, then row by row: a row with many parents that it may have or not
    /// brings as many rows with it, and trying their columns one by one would take too long.
    async fn barer(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        let bare = |row: &Row| {
            let table = &self.job.before.tables[row.table];
            let mut bare = row.clone();
            bare.values.retain(|number, _| !row.may_lack(table, *number));
            bare
        };
        let whole: Vec<Row> = rows.iter().map(bare).collect();
        if self.replay(&whole, extra, script).await.as_ref() == Some(sign) {
            return whole;
        }
        for at in (0..rows.len()).rev() {
            let mut fewer = rows.clone();
            fewer[at] = bare(&rows[at]);
            if *left == 0 || fewer[at] == rows[at] {
                continue;
            }
            *left -= 1;
            if self.replay(&fewer, extra, script).await.as_ref() == Some(sign) {
                rows = fewer;
            }
        }
        rows
    }

    pub(super) async fn fewer(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        let mut at = rows.len();
        while at > 0 && *left > 0 && rows.len() > 1 {
            at -= 1;
            *left -= 1;
            let mut fewer = rows.clone();
            fewer.remove(at);
            if self.replay(&fewer, extra, script).await.as_ref() == Some(sign) {
                rows = fewer;
            }
        }
        rows
    }

    async fn sparser(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        for at in 0..rows.len() {
            let table = &self.job.before.tables[rows[at].table];
            let numbers: Vec<i16> = rows[at].values.keys().copied().collect();
            for number in numbers {
                if *left == 0 || !rows[at].may_lack(table, number) {
                    continue;
                }
                *left -= 1;
                let mut fewer = rows.clone();
                fewer[at].values.remove(&number);
                if self.replay(&fewer, extra, script).await.as_ref() == Some(sign) {
                    rows = fewer;
                }
            }
        }
        rows
    }

    /// The simplest values that fail in the same way: what need not be special is made ordinary, what need not be long is
    /// made short.
    async fn plainer(
        &self,
        mut rows: Vec<Row>,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> Vec<Row> {
        for at in 0..rows.len() {
            let table = &self.job.before.tables[rows[at].table];
            for (number, value) in rows[at].values.clone() {
                let Some(column) = table.columns.get(&number) else { continue };
                let mut candidates = vec![values::typical(column, 0)];
                let (mut short, mut long) = (0, value.chars().count().saturating_sub(2));
                // A key without a parent is as plain as it can be, and says what it is.
                let plain = candidates[0] == value || values::orphan(column) == value;
                if value == "NULL" || plain || (table.is_key(number) && long < PLAIN) {
                    continue;
                }
                candidates.retain(|candidate| candidate != "''");
                for candidate in candidates {
                    if self.fails_with(&mut rows, (at, number), candidate, extra, script, sign, left).await {
                        long = 0;
                    }
                }
                let text = value.trim_matches('\'').to_owned();
                if values::sort(column) != values::Sort::Text
                    || !value.starts_with('\'')
                    || value.contains("''")
                    || long < PLAIN
                {
                    continue;
                }
                // The shortest that fails lies above `short` and not above `long`.
                while short + 1 < long {
                    let middle = (short + long) / 2;
                    let cut = values::quote(&text.chars().take(middle).collect::<String>());
                    if self.fails_with(&mut rows, (at, number), cut, extra, script, sign, left).await {
                        long = middle;
                    } else {
                        short = middle;
                    }
                }
            }
        }
        rows
    }

    /// Whether the rows still fail in the same way with this value in that place; then they have it.
    #[expect(clippy::too_many_arguments, reason = "one try of many, with everything that it is a try of")]
    async fn fails_with(
        &self,
        rows: &mut Vec<Row>,
        (at, number): (usize, i16),
        value: String,
        extra: &[String],
        script: &str,
        sign: &Sign,
        left: &mut usize,
    ) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        let mut plainer = rows.clone();
        plainer[at].values.insert(number, value);
        let fails = self.replay(&plainer, extra, script).await.as_ref() == Some(sign);
        if fails {
            *rows = plainer;
        }
        fails
    }
}
