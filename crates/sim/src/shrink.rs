//! A plan that fails is made shorter.

use crate::run::Plan;
use crate::workload::{Action, CLIENTS, Step};

impl Plan {
    /// A shorter plan that fails too, found by leaving out clients, faults, and parts of what happens; and which
    /// of the steps it has, counted from 0.
    #[must_use]
    pub fn shrink(&self) -> (Self, Vec<usize>) {
        let mut kept: Vec<(usize, Step)> = self.steps.iter().copied().enumerate().collect();
        for client in 0..CLIENTS {
            self.try_without(&mut kept, |_, step| step.action.client() != Some(client));
        }
        self.try_without(&mut kept, |_, step| {
            step.action.client().is_some() || step.action == Action::Settle
        });
        let mut size = kept.len() / 2;
        while size > 0 {
            let mut from = 0;
            let mut shrunk = false;
            while from < kept.len() {
                if self.try_without(&mut kept, |place, _| !(from..from + size).contains(&place)) {
                    shrunk = true;
                } else {
                    from += size;
                }
            }
            if !shrunk || size > 1 {
                size /= 2;
            }
        }
        let places: Vec<usize> = kept.iter().map(|(place, _)| *place).collect();
        (self.only(&places), places)
    }

    /// The plan with no other steps than these, counted from 0.
    #[must_use]
    pub fn only(&self, places: &[usize]) -> Self {
        let steps = places.iter().filter_map(|place| self.steps.get(*place).copied()).collect();
        Self { steps, ..self.clone() }
    }

    /// Leaves steps out if the plan still fails without them; whether it does.
    fn try_without(&self, kept: &mut Vec<(usize, Step)>, keep: impl Fn(usize, &Step) -> bool) -> bool {
        let left = kept.iter().enumerate().filter(|(place, (_, step))| keep(*place, step));
        let shorter: Vec<(usize, Step)> = left.map(|(_, entry)| *entry).collect();
        let steps = shorter.iter().map(|(_, step)| *step).collect();
        let fails = shorter.len() < kept.len() && Self { steps, ..self.clone() }.run(false).is_err();
        if fails {
            *kept = shorter;
        }
        fails
    }
}
