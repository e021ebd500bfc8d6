//! Lists cut into groups, because queues and databases take only so much at once.

/// Consecutive groups of at most `most` items and at most `heaviest` of weight; an item that is heavier by itself makes
/// a group of its own.
#[must_use]
pub fn groups<T>(items: &[T], most: usize, heaviest: usize, weight: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut groups = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take(most).take_while(|item| {
            sum += weight(item);
            sum <= heaviest
        });
        let (group, others) = rest.split_at(fits.count().max(1));
        groups.push(group);
        rest = others;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn a_group_ends_at_its_number_or_its_weight_and_nothing_is_lost() {
        let cut = |items: &[usize]| {
            groups(items, 3, 10, |item| *item).into_iter().map(<[usize]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[1, 1, 1, 1]), [vec![1, 1, 1], vec![1]]);
        assert_eq!(cut(&[6, 4, 1]), [vec![6, 4], vec![1]]);
        assert_eq!(cut(&[99, 1, 99]), [vec![99], vec![1], vec![99]]);
        assert_eq!(cut(&[]), Vec::<Vec<usize>>::new());
    }
}
