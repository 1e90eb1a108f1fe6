//! Samples and what is said of them.

use std::time::Duration;

/// Durations of one thing, in milliseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, took: Duration) {
        self.add_ms(took.as_secs_f64() * 1000.0);
    }

    pub(crate) fn add_ms(&mut self, ms: f64) {
        self.0.push(ms);
    }

    /// What is said of them.
    pub(crate) fn figures(&self) -> Figures {
        Figures { samples: self.len(), least: self.least(), median: self.median(), p99: self.p99() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The least: what a busy machine disturbs least.
    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The 99th percentile: of few samples, the largest.
    fn p99(&self) -> f64 {
        self.at(0.99)
    }

    /// The sample below or at which `share` of them are.
    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// How much longer than `other`, figure by figure. Sample by sample would not do: the 99th percentile of differences is
    /// where the one met a good moment of the machine and the other a bad one, and is there between two equal things, too.
    pub(crate) fn over(&self, other: &Samples) -> Figures {
        let (this, other) = (self.figures(), other.figures());
        Figures {
            samples: this.samples.min(other.samples),
            least: this.least - other.least,
            median: this.median - other.median,
            p99: this.p99 - other.p99,
        }
    }
}

/// What is said of samples, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// How many there are.
    pub(crate) samples: usize,
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl From<&Samples> for Figures {
    fn from(samples: &Samples) -> Figures {
        samples.figures()
    }
}
