//! Which agents are listed, in which order, and which one is selected.

use super::look::Weight;
use crate::driver::words::Row;
use crate::ids::AgentName;

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Who needs somebody, those who have waited longest first; the others by name, so that they stay in their places.
    #[default]
    Trouble,
    Name,
}

/// The list, apart from its rows.
#[derive(Debug, Default)]
pub struct List {
    pub order: Order,
    /// Only agents with this in their name, state, role or runtime.
    pub filter: String,
    /// Places in the status, as listed.
    shown: Vec<usize>,
    /// The selected agent and its place in `shown`. `None`: the first row, whoever that is.
    selected: Option<(AgentName, usize)>,
    /// The first row on the screen.
    offset: usize,
}

impl List {
    /// The rows that are listed, as places in the status.
    #[must_use]
    pub fn shown(&self) -> &[usize] {
        &self.shown
    }

    /// The first row on the screen.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The place of the selected row in [`List::shown`]. Means nothing while that is empty.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.selected.as_ref().map_or(0, |(_, at)| *at)
    }

    /// The selected row, if there is any.
    #[must_use]
    pub fn current<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        rows.get(*self.shown.get(self.cursor())?)
    }

    /// Lists `rows` anew: they, the order or the filter changed.
    pub fn arrange(&mut self, rows: &[Row]) {
        let wanted = self.filter.to_lowercase();
        self.shown = (0..rows.len()).filter(|at| matches(&rows[*at], &wanted)).collect();
        match self.order {
            Order::Name => self.shown.sort_by(|a, b| by_name(&rows[*a]).cmp(&by_name(&rows[*b]))),
            Order::Trouble => self.shown.sort_by(|a, b| urgency(&rows[*a]).cmp(&urgency(&rows[*b]))),
        }
        if let Some((name, at)) = &mut self.selected {
            // One that left the list leaves the selection where it was.
            let place = self.shown.iter().position(|row| rows[*row].name == *name);
            *at = place.unwrap_or(*at).min(self.shown.len().saturating_sub(1));
        }
    }

    /// Moves the selection by so many rows.
    pub fn step(&mut self, by: isize, rows: &[Row]) {
        let last = self.shown.len().saturating_sub(1);
        self.select(self.cursor().saturating_add_signed(by).min(last), rows);
    }

    /// To the first row, and to whoever comes there.
    pub fn first(&mut self) {
        self.selected = None;
    }

    /// To the last row.
    pub fn last(&mut self, rows: &[Row]) {
        self.select(self.shown.len().saturating_sub(1), rows);
    }

    fn select(&mut self, at: usize, rows: &[Row]) {
        self.selected = match (at, self.shown.get(at)) {
            (1.., Some(row)) => Some((rows[*row].name.clone(), at)),
            _ => None,
        };
    }

    /// Scrolls as little as brings the selected row onto a screen of `height` rows.
    pub fn settle(&mut self, height: usize) {
        let cursor = self.cursor();
        let lowest = (cursor + 1).saturating_sub(height);
        self.offset = self.offset.clamp(lowest, cursor.max(lowest));
        self.offset = self.offset.min(self.shown.len().saturating_sub(height));
    }
}

fn matches(row: &Row, wanted: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(wanted);
    has(row.name.as_str())
        || has(row.standing.state.word())
        || has(&row.runtime)
        || row.role.as_deref().is_some_and(has)
        || row.model.as_deref().is_some_and(has)
}

/// The smaller, the nearer to the top.
fn urgency(row: &Row) -> (Weight, u64, (&str, u64)) {
    match Weight::of(row) {
        weight if weight.is_news() => (weight, row.standing.since, by_name(row)),
        Weight::Passing if !row.healthy => (Weight::Passing, row.standing.since, by_name(row)),
        _ => (Weight::Rest, 0, by_name(row)),
    }
}

/// `coder-2` stands before `coder-10`.
fn by_name(row: &Row) -> (&str, u64) {
    let name = row.name.as_str();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name[stem.len()..].parse().map_or((name, 0), |number| (stem, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::fixture::row;

    fn names(list: &List, rows: &[Row]) -> Vec<String> {
        list.shown().iter().map(|at| rows[*at].name.to_string()).collect()
    }

    fn rows() -> Vec<Row> {
        vec![
            row("a", "idle", 50),
            row("b", "stalled", 20),
            row("c", "working", 1),
            row("d", "waiting-for-human", 5),
            row("e", "stalled", 10),
            row("f", "quarantined", 90),
            row("g", "backing-off", 3),
        ]
    }

    #[test]
    fn the_worst_comes_first_and_who_works_stays_in_place() {
        let mut list = List::default();
        let mut rows = rows();
        list.arrange(&rows);
        assert_eq!(names(&list, &rows), ["f", "e", "b", "d", "g", "a", "c"]);
        rows[0] = row("a", "working", 60);
        rows[2] = row("c", "idle", 60);
        list.arrange(&rows);
        assert_eq!(names(&list, &rows), ["f", "e", "b", "d", "g", "a", "c"]);
        list.order = Order::Name;
        list.arrange(&rows);
        assert_eq!(names(&list, &rows), ["a", "b", "c", "d", "e", "f", "g"]);
    }

    #[test]
    fn the_selection_follows_its_agent_and_the_first_row_is_whoever_stands_there() {
        let mut list = List::default();
        let mut rows = rows();
        list.arrange(&rows);
        assert_eq!(list.current(&rows).unwrap().name.as_str(), "f");
        rows[5] = row("f", "idle", 100);
        list.arrange(&rows);
        assert_eq!(list.current(&rows).unwrap().name.as_str(), "e");
        list.step(1, &rows);
        assert_eq!(list.current(&rows).unwrap().name.as_str(), "b");
        rows[1] = row("b", "working", 100);
        list.arrange(&rows);
        assert_eq!(list.current(&rows).unwrap().name.as_str(), "b");
        list.last(&rows);
        let last = list.current(&rows).unwrap().name.clone();
        rows.retain(|row| row.name != last);
        list.arrange(&rows);
        assert_eq!(list.cursor(), rows.len() - 1, "one that is gone leaves the selection in its place");
    }

    #[test]
    fn the_filter_looks_at_names_and_states() {
        let mut list = List { filter: "STALL".to_owned(), ..List::default() };
        let rows = rows();
        list.arrange(&rows);
        assert_eq!(names(&list, &rows), ["e", "b"]);
        list.filter = "nobody".to_owned();
        list.arrange(&rows);
        assert!(list.current(&rows).is_none());
        list.step(3, &rows);
        list.settle(10);
        assert!(list.current(&rows).is_none());
    }

    #[test]
    fn numbered_names_stand_in_the_order_of_their_numbers() {
        let rows = ["a-10", "b", "a-9", "a", "a-100"].map(|name| row(name, "idle", 0));
        let mut list = List::default();
        list.arrange(&rows);
        assert_eq!(names(&list, &rows), ["a", "a-9", "a-10", "a-100", "b"]);
    }

    #[test]
    fn it_scrolls_as_little_as_it_must() {
        let rows: Vec<Row> = (0..20).map(|n| row(&format!("n{n:02}"), "idle", 0)).collect();
        let mut list = List::default();
        list.arrange(&rows);
        let at = |list: &mut List, by: isize| {
            list.step(by, &rows);
            list.settle(5);
            list.offset()
        };
        assert_eq!(at(&mut list, 4), 0);
        assert_eq!(at(&mut list, 1), 1);
        assert_eq!(at(&mut list, -2), 1);
        assert_eq!(at(&mut list, -3), 0);
        assert_eq!(at(&mut list, 100), 15);
        list.settle(30);
        assert_eq!(list.offset(), 0);
        list.settle(0);
    }
}
