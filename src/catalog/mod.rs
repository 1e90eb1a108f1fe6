//! x
use tokio_postgres::Client;
#[derive(Debug)] pub struct Reader;
#[derive(Debug,Clone)] pub struct Snapshot;
#[derive(Debug,thiserror::Error)] #[error("x")] pub struct Error;
impl Reader { pub async fn prepare(_c:&Client)->Result<Reader,Error>{Ok(Reader)} pub async fn full(&self,_c:&Client)->Result<Snapshot,Error>{Ok(Snapshot)} pub async fn since(&self,_c:&Client,_b:&Snapshot)->Result<Snapshot,Error>{Ok(Snapshot)}}
#[derive(Debug,Clone,Copy,PartialEq,Eq)] pub enum Grade{Behaviour,Cosmetic}
#[derive(Debug,Clone,Copy,PartialEq,Eq)] pub enum Change{Missing,Added,Changed}
#[derive(Debug,Clone)] pub struct Difference{pub grade:Grade,pub object:String,pub change:Change,pub words:String}
pub fn compare(_b:&Snapshot,_a:&Snapshot)->Vec<Difference>{vec![]}
