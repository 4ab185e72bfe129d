//! Where the machine-readable zone is looked for: on each side as it was straightened and, where that shows none, as it was
//! taken, each perhaps upside down. The cheap looks at all of them come before the costly ones at any.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Error;
use super::look::Look;
use super::page::{Page, read_as_it_lies};
use super::zone::{AS_FOUND, Found, OTHERWISE, Pass, Search};
use crate::image::Picture;
use crate::timing::Timings;

/// The side that a zone is on: 0 is the front, 1 the back.
type OnSide = (usize, Found);

/// One way of looking at a side.
struct View {
    /// 0 is the front, 1 the back.
    side: usize,
    page: Page,
    search: Search,
    /// The page the other way up, when this one may be upside down.
    turned: Option<(Page, Search)>,
    /// As it was taken, not straightened.
    as_taken: bool,
    looked_closely: bool,
}

impl View {
    fn new(side: usize, page: Page, as_taken: bool) -> Self {
        Self { side, page, search: Search::default(), turned: None, as_taken, looked_closely: false }
    }

    fn is_settled(&self) -> bool {
        self.search.is_settled() || self.turned.as_ref().is_some_and(|(_, there)| there.is_valid())
    }

    /// Looks at the rows as they were found. A page that may be upside down is looked at both ways before either is looked at
    /// in other ways: that costs the most the wrong way up.
    fn as_found(&mut self, look: &mut Look<'_>) -> Result<(), Error> {
        self.looked_closely = true;
        self.page.read_rest(look.networks)?;
        self.search.go_on(&self.page, &AS_FOUND, look)?;
        if !self.search.is_settled() && self.page.is_doubtful() {
            let other = self.page.flipped(look.networks)?;
            let mut there = Search::default();
            there.go_on(&other, &AS_FOUND, look)?;
            self.turned = Some((other, there));
        }
        Ok(())
    }

    fn otherwise(&mut self, look: &mut Look<'_>) -> Result<(), Error> {
        let passes: &[Pass] = &OTHERWISE;
        self.search.go_on(&self.page, passes, look)?;
        if let Some((other, there)) = self.turned.as_mut().filter(|_| !self.search.is_settled()) {
            there.go_on(other, passes, look)?;
        }
        Ok(())
    }

    /// The page and what it shows; the other way up only when there the zone is valid.
    fn end(self) -> (Page, Option<Found>) {
        match self.turned {
            Some((other, there)) if there.is_valid() => (other, there.found()),
            _ => (self.page, self.search.found()),
        }
    }
}

/// All ways of looking that were opened so far.
struct Views<'a, 'b> {
    views: Vec<View>,
    look: &'b mut Look<'a>,
    timings: &'b mut Timings,
}

/// Finds the zone on one of the sides. Returns the sides, each as it shows most, and the zone with the side that it is on.
pub(super) fn find_zone(
    pages: Vec<Page>,
    look: &mut Look<'_>,
    timings: &mut Timings,
) -> Result<(Vec<Page>, Option<OnSide>), Error> {
    // A card has its zone on the back, if it has one at all: that is looked at first.
    let sides = pages.into_iter().enumerate().rev();
    let views = sides.map(|(side, page)| View::new(side, page, false)).collect();
    let mut views = Views { views, look, timings };
    let _settled = views.at_first_sight()?
        || views.as_taken(|view| !view.search.is_promising())?
        || views.as_found()?
        || views.as_taken(|_| true)?
        || views.as_found()?
        || views.closer()?
        || views.as_found()?
        || views.otherwise()?;
    Ok(views.end())
}

/// Each step says whether the search has come to its end.
impl Views<'_, '_> {
    fn at_first_sight(&mut self) -> Result<bool, Error> {
        self.each(|_| true, |view, look| view.search.at_first_sight(&view.page, look))
    }

    /// What was taken for the page may be a part of it: opens the whole picture of these.
    fn as_taken(&mut self, which: impl Fn(&View) -> bool) -> Result<bool, Error> {
        for i in 0..self.views.len() {
            let view = &mut self.views[i];
            if !which(view) {
                continue;
            }
            let (side, Some(picture)) = (view.side, view.page.whole.take()) else { continue };
            if self.open(side, picture)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where a view shows no zone, and what it shows takes up a small part of it: opens that part, in which detection sees more.
    fn closer(&mut self) -> Result<bool, Error> {
        for i in 0..self.views.len() {
            let View { side, page, search, .. } = &self.views[i];
            if search.shows_a_zone() {
                continue;
            }
            let (side, Some(part)) = (*side, page.part_with_text(self.look.networks)?) else { continue };
            if self.open(side, part)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads one more picture of a side, which was not straightened.
    fn open(&mut self, side: usize, picture: Picture) -> Result<bool, Error> {
        let page = read_as_it_lies(picture, self.look.networks, self.look.settings, self.timings)?;
        let mut view = View::new(side, page, true);
        self.timings.measure("read_mrz", || view.search.at_first_sight(&view.page, self.look))?;
        let settled = view.is_settled();
        self.views.push(view);
        Ok(settled)
    }

    fn as_found(&mut self) -> Result<bool, Error> {
        self.views.sort_by_key(|view| !view.search.is_promising());
        self.each(|view| !view.looked_closely, View::as_found)
    }

    fn otherwise(&mut self) -> Result<bool, Error> {
        self.each(|_| true, View::otherwise)
    }

    fn each(
        &mut self,
        which: impl Fn(&View) -> bool,
        step: impl Fn(&mut View, &mut Look<'_>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        for view in self.views.iter_mut().filter(|view| which(view)) {
            self.timings.measure("read_mrz", || step(view, self.look))?;
            if view.is_settled() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The view that shows the zone best, and of a side without any the straightened page.
    fn end(self) -> (Vec<Page>, Option<OnSide>) {
        let mut ended: Vec<(usize, bool, Page, Option<Found>)> = Vec::new();
        for view in self.views {
            let (side, as_taken) = (view.side, view.as_taken);
            let (page, found) = view.end();
            ended.push((side, as_taken, page, found));
        }
        // The best comes first, and what was straightened before what was not.
        ended.sort_by(|(_, a_taken, _, a), (_, b_taken, _, b)| {
            let rank = |found: &Option<Found>| found.as_ref().map(|found| found.zone.rank());
            rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal).then(a_taken.cmp(b_taken))
        });
        let mut sides: BTreeMap<usize, Page> = BTreeMap::new();
        let mut best = None;
        for (side, _, page, found) in ended {
            if best.is_none() {
                best = found.map(|found| (side, found));
            }
            sides.entry(side).or_insert(page);
        }
        (sides.into_values().collect(), best)
    }
}
