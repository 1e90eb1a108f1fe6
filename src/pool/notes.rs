//! What was found out about a template by those who used a clone of it: true as long as the template is, which nobody
//! writes to. And what is prepared in the sessions of one clone: good as long as they are.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One value of each type.
#[derive(Default)]
pub struct Notes(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Notes {
    /// The value of this type, made by `read` when there is none yet. A failure is not kept.
    pub async fn get<T, E>(&self, read: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let known = self.lock().get(&TypeId::of::<T>()).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return Ok(known);
        }
        // Two at once read twice, which does no harm.
        let value = Arc::new(read.await?);
        let kept: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(&value);
        self.lock().insert(TypeId::of::<T>(), kept);
        Ok(value)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TypeId, Arc<dyn Any + Send + Sync>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_read_once_and_a_failure_again() {
        let notes = Notes::default();
        assert_eq!(notes.get(async { Err::<u32, _>("later") }).await, Err("later"));
        assert_eq!(notes.get(async { Ok::<u32, ()>(1) }).await.as_deref(), Ok(&1));
        assert_eq!(notes.get(async { Ok::<u32, ()>(2) }).await.as_deref(), Ok(&1));
        assert_eq!(notes.get(async { Ok::<u64, ()>(3) }).await.as_deref(), Ok(&3), "another type is another value");
    }
}
