//! Records by number. An id is unique in its organisation, so that the records of two organisations may have the same id: a record is known by both.

use super::TABLE_BYTES;
use super::texts::{TextTable, Texts};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// The ids of the records. Nearly every id belongs to one organisation, so that only a record whose id another organisation used before takes memory
/// for that.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// The id of each record whose organisation used it first; empty for every other record.
    ids: Texts,
    /// The other records, each with the record that had its id first; sorted.
    others: Vec<(u32, u32)>,
    /// The same pairs the other way round; sorted. Set when all records are known.
    by_first: Vec<(u32, u32)>,
}

impl Records {
    /// The id of a record.
    pub(crate) fn id(&self, record: u32) -> &str {
        self.ids.get(self.first(record))
    }

    /// The record that had the id of this one first. Two records have the same id if it is the same.
    pub(crate) fn first(&self, record: u32) -> u32 {
        let other = self.others.binary_search_by_key(&record, |(other, _)| *other);
        other.map_or(record, |at| self.others[at].1)
    }

    /// The records of other organisations that have the same id.
    pub(crate) fn elsewhere(&self, record: u32) -> impl Iterator<Item = u32> {
        let first = self.first(record);
        let from = self.by_first.partition_point(|(of, _)| *of < first);
        let others = self.by_first[from..].iter().take_while(move |(of, _)| *of == first).map(|(_, other)| *other);
        std::iter::once(first).chain(others).filter(move |other| *other != record)
    }

    pub(crate) const fn len(&self) -> u32 {
        self.ids.len()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.ids.bytes() + 2 * size_of::<(u32, u32)>() as u64 * self.others.len() as u64
    }

    pub(super) fn finish(&mut self) {
        self.by_first = self.others.iter().map(|(other, first)| (*first, *other)).collect();
        self.by_first.sort_unstable();
    }
}

/// Finds the number of a record. It is needed only while records are added.
#[derive(Debug, Default)]
pub(super) struct RecordTable {
    firsts: TextTable,
    /// The organisation of each record.
    tenants: Vec<u32>,
    others: HashTable<u32>,
    hasher: RandomState,
}

impl RecordTable {
    /// Returns the number of the record of an organisation, which is added if it is new.
    pub(super) fn number(&mut self, records: &mut Records, tenant: u32, id: &str) -> u32 {
        let first = self.firsts.number(&mut records.ids, id);
        match self.tenants.get(first as usize) {
            Some(of_first) if *of_first != tenant => self.other(records, tenant, first),
            Some(_) => first,
            None => {
                self.tenants.push(tenant);
                first
            }
        }
    }

    fn other(&mut self, records: &mut Records, tenant: u32, first: u32) -> u32 {
        let of = |records: &Records, other: u32| (self.tenants[other as usize], records.first(other));
        let hash = self.hasher.hash_one((tenant, first));
        if let Some(number) = self.others.find(hash, |other| of(records, *other) == (tenant, first)) {
            return *number;
        }
        let number = records.ids.push("");
        records.others.push((number, first));
        self.tenants.push(tenant);
        let of = |other: u32| (self.tenants[other as usize], records.first(other));
        self.others.insert_unique(hash, number, |other| self.hasher.hash_one(of(*other)));
        number
    }

    /// Bytes that this table takes.
    pub(super) const fn bytes(&self) -> u64 {
        (size_of::<u32>() as u64 + TABLE_BYTES) * self.tenants.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordTable, Records};

    #[test]
    fn one_id_is_a_record_of_each_organisation() {
        let (mut table, mut records) = (RecordTable::default(), Records::default());
        let (acme, zeta, beta) = (7, 3, 5);
        let named = [(acme, "x"), (zeta, "x"), (acme, "y"), (zeta, "x"), (beta, "x"), (zeta, "y"), (acme, "x")];
        assert_eq!(named.map(|(tenant, id)| table.number(&mut records, tenant, id)), [0, 1, 2, 1, 3, 4, 0]);
        records.finish();
        assert_eq!(records.len(), 5);
        assert_eq!([0, 1, 2, 3, 4].map(|record| records.id(record)), ["x", "x", "y", "x", "y"]);
        let elsewhere = [0, 1, 2, 3, 4].map(|record| records.elsewhere(record).collect::<Vec<_>>());
        assert_eq!(elsewhere, [vec![1, 3], vec![0, 3], vec![4], vec![0, 1], vec![2]]);
    }

    #[test]
    fn many_records_with_the_ids_of_another_organisation_keep_their_numbers() {
        let (mut table, mut records) = (RecordTable::default(), Records::default());
        let all: Vec<(u32, String)> = (0..1_000).map(|at| (at % 3, format!("k{}", at / 3 % 200))).collect();
        let numbers = |table: &mut RecordTable, records: &mut Records| -> Vec<u32> {
            all.iter().map(|(tenant, id)| table.number(records, *tenant, id)).collect()
        };
        let first = numbers(&mut table, &mut records);
        assert_eq!((numbers(&mut table, &mut records), records.len()), (first.clone(), 600));
        for ((_, id), number) in all.iter().zip(first) {
            assert_eq!(records.id(number), id);
        }
    }
}
