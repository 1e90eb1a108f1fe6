//! Fewer rows with fewer and plainer values, over which a migration fails in the same way.

use super::row::Row;
use super::search::{Search, Sign};
use super::{schema, values};

/// How many runs making one set of rows smaller may take, and making its values plainer.
const SMALLER: usize = 80;
/// From more rows than these on, all that need not be there is left out at once first.
const MANY: usize = 4;
/// Texts up to this length are left as they are.
const PLAIN: usize = 16;

/// Rows over which a script fails, on their way to fewer and plainer ones over which it fails alike.
pub(super) struct Smaller<'a> {
    /// Puts rows in and runs over them.
    pub(super) search: &'a Search<'a>,
    /// What is run over the rows.
    pub(super) script: &'a str,
    /// What production would have done besides.
    pub(super) extra: &'a [String],
    /// How the script fails.
    pub(super) sign: &'a Sign,
}

/// The smallest rows so far, and how many more runs they may take.
struct Trial<'a> {
    of: Smaller<'a>,
    rows: Vec<Row>,
    left: usize,
}

impl Smaller<'_> {
    /// Of `rows` those without which it would not fail alike.
    pub(super) async fn fewest(self, rows: Vec<Row>) -> Vec<Row> {
        let mut trial = Trial { of: self, rows, left: SMALLER };
        trial.fewer().await;
        trial.rows
    }

    /// Fewer of `rows`, then fewer values, then plainer ones.
    pub(super) async fn plainest(self, rows: Vec<Row>) -> Vec<Row> {
        let mut trial = Trial { of: self, rows, left: SMALLER };
        if trial.rows.len() > MANY {
            trial.barer().await;
        }
        trial.fewer().await;
        trial.sparser().await;
        // A parent whose children no longer point to it can go as well.
        trial.fewer().await;
        trial.left = SMALLER;
        trial.plainer().await;
        trial.rows
    }
}

impl<'a> Trial<'a> {
    fn table(&self, row: &Row) -> &'a schema::Table {
        &self.of.search.job.before.tables[row.table]
    }

    /// Makes `change` to the rows, where they still fail alike with it; whether it did.
    async fn keep(&mut self, change: impl FnOnce(&mut Vec<Row>)) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let mut rows = self.rows.clone();
        change(&mut rows);
        let Smaller { search, script, extra, sign } = &self.of;
        let alike = search.replay(&rows, extra, script).await.as_ref() == Some(*sign);
        if alike {
            self.rows = rows;
        }
        alike
    }

    /// Everything that need not be there left out at once, then row by row: a row with many parents that it may have or not
    /// brings as many rows with it, and trying their columns one by one would take too long.
    async fn barer(&mut self) {
        let bare = |row: &Row| {
            let mut bare = row.clone();
            bare.values.retain(|number, _| !row.may_lack(self.table(row), *number));
            bare
        };
        let whole: Vec<Row> = self.rows.iter().map(bare).collect();
        let all = whole.clone();
        if self.keep(|rows| *rows = all).await {
            return;
        }
        for (at, bare) in whole.into_iter().enumerate().rev() {
            if bare != self.rows[at] {
                self.keep(|rows| rows[at] = bare).await;
            }
        }
    }

    async fn fewer(&mut self) {
        // Rows that point to each other in a circle go together or not at all.
        for at in (0..self.rows.len()).rev() {
            for last in at + 1..self.rows.len() {
                if self.rows[at].early && last - at + 1 < self.rows.len() {
                    self.keep(|rows| drop(rows.drain(at..=last))).await;
                }
            }
        }
        for at in (0..self.rows.len()).rev() {
            if self.rows.len() > 1 {
                self.keep(|rows| drop(rows.remove(at))).await;
            }
        }
    }

    async fn sparser(&mut self) {
        for at in 0..self.rows.len() {
            let table = self.table(&self.rows[at]);
            if !self.rows[at].again.is_empty() {
                self.keep(|rows| rows[at].again.clear()).await;
            }
            for number in self.rows[at].values.keys().copied().collect::<Vec<i16>>() {
                if self.rows[at].may_lack(table, number) {
                    self.keep(|rows| drop(rows[at].values.remove(&number))).await;
                }
            }
        }
    }

    /// The simplest values that fail in the same way: what need not be special is made ordinary, what need not be long is
    /// made short.
    async fn plainer(&mut self) {
        for at in 0..self.rows.len() {
            let table = self.table(&self.rows[at]);
            for (number, value) in self.rows[at].values.clone() {
                let Some(column) = table.columns.get(&number) else { continue };
                let ordinary = values::typical(column, 0);
                let (mut short, mut long) = (0, value.chars().count().saturating_sub(2));
                // A key without a parent is as plain as it can be, and says what it is.
                let plain = ordinary == value || values::orphan(column) == value;
                if value == "NULL" || plain || (table.is_key(number) && long < PLAIN) {
                    continue;
                }
                if ordinary != "''" && self.give(at, number, ordinary).await {
                    continue;
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
                    match self.give(at, number, cut).await {
                        true => long = middle,
                        false => short = middle,
                    }
                }
            }
        }
    }

    /// Gives a row this value, where the rows still fail alike with it; whether they do.
    async fn give(&mut self, at: usize, number: i16, value: String) -> bool {
        self.keep(|rows| drop(rows[at].values.insert(number, value))).await
    }
}
