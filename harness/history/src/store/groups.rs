//! Lists of positions by number, such as the calls that wrote a record, without a list of its own for each.

/// Lists of positions, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// For each list: where it ends.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Groups {
    /// Collects the pairs of a number and a position that `each` passes to its argument. It is called twice: to count them, and to sort them in.
    /// Within a list, positions stay in the order in which they came.
    pub(crate) fn of(count: u32, each: impl Fn(&mut dyn FnMut(u32, u32))) -> Self {
        let mut ends = vec![0u32; count as usize];
        each(&mut |group, _| ends[group as usize] += 1);
        let mut before = 0;
        for end in &mut ends {
            // For now where the list begins; each of its items moves it on.
            before += std::mem::replace(end, before);
        }
        let mut items = vec![0u32; before as usize];
        each(&mut |group, item| {
            let end = &mut ends[group as usize];
            items[*end as usize] = item;
            *end += 1;
        });
        Self { ends, items }
    }

    /// Returns the list with this number; it is empty if there is none.
    pub(crate) fn get(&self, number: u32) -> &[u32] {
        &self.items[self.span(number)]
    }

    /// Number of lists, with the empty ones.
    pub(crate) const fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Sorts each list.
    pub(crate) fn sort_each_by_key<K: Ord>(&mut self, key: impl Fn(u32) -> K) {
        for number in 0..self.len() {
            let span = self.span(number);
            self.items[span].sort_by_key(|item| key(*item));
        }
    }

    fn span(&self, number: u32) -> std::ops::Range<usize> {
        let Some(end) = self.ends.get(number as usize) else { return 0..0 };
        let from = (number as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        from as usize..*end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;

    #[test]
    fn each_list_has_its_positions_in_order_and_an_unknown_one_is_empty() {
        let pairs = [(2, 7), (0, 1), (2, 3), (2, 5), (0, 9)];
        let mut groups = Groups::of(4, |add| pairs.iter().for_each(|(group, item)| add(*group, *item)));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|number| groups.get(number).to_vec()),
            [vec![1, 9], vec![], vec![7, 3, 5], vec![], vec![]]
        );
        groups.sort_each_by_key(std::cmp::Reverse);
        assert_eq!((groups.get(0), groups.get(2)), (&[9, 1][..], &[7, 5, 3][..]));
    }
}
