//! Kills at any instant: the pure parts of the alerter run in the pipeline's order on a store and receivers in
//! memory, and die between any two steps, where the write under way may have landed or not.
//!
//! Everything follows from a seed, and every failure names it. Promise under test: no transition reaches a target
//! as news under two webhook-ids, an id always says the same, and in the end every target believes what is true.
//! A receiver that takes a notification acknowledges it in the end: what is given up was never taken.

mod store;

use callmeter_alerter::{
    alert::{Observation, Standing, Subject},
    dispatch::{Dispatcher, Notification, NotifyReason, Settled},
    evaluate::{Evaluator, Trust},
    quantity::Quantity,
    routing::Routing,
    rules::{RuleSet, Terms, Texts},
    silence::{Silence, conditions},
    transition::{State, Transition},
    vocabulary::Dimension,
};
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{Outcome, Store};

const SEEDS: u64 = 36;
/// Seconds of a history: in the first part things happen, in the second they calm down.
const EVENTFUL: i64 = 300;
const CALM: i64 = 120;
const CUSTOMERS: usize = 6;

const ROUTING: &str = "
route:
  receiver: ops
  group_by: [integration]
  group_wait: 2s
  group_interval: 7s
  repeat_interval: 40s
  routes:
  - {matchers: [integration=v1], receiver: keys, continue: true}
  - {matchers: [integration=v1], group_by: ['...']}
receivers:
- {name: ops, webhook_configs: [{url: 'https://o.example'}, {url: 'https://p.example'}]}
- {name: keys, webhook_configs: [{url: 'https://k.example'}]}
";

/// The process died.
struct Killed;

/// What outlives a process, and what it is told.
struct World {
    seed: u64,
    random: StdRng,
    /// ms since the beginning.
    now: i64,
    store: Store,
    /// Whether each customer's calls fail.
    failing: [bool; CUSTOMERS],
    silences: Vec<Silence>,
    heard: BTreeMap<String, Target>,
    /// Steps until the next kill.
    life: Option<u32>,
    kills: u32,
}

/// A target of one group: what it heard, in order, by webhook-id.
#[derive(Default)]
struct Target {
    ids: BTreeMap<String, Vec<Transition>>,
    seen: BTreeSet<String>,
    believes: BTreeMap<String, State>,
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).expect("in range")
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            now: 0,
            store: Store::default(),
            failing: [false; CUSTOMERS],
            silences: Vec::new(),
            heard: BTreeMap::new(),
            life: Some(40),
            kills: 0,
        }
    }

    fn now(&self) -> Timestamp {
        time(self.now)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    /// An instant at which the process may die.
    fn step(&mut self) -> Result<(), Killed> {
        let Some(life) = &mut self.life else { return Ok(()) };
        *life = life.saturating_sub(1);
        if *life == 0 { Err(Killed) } else { Ok(()) }
    }

    /// A write; where the process dies in it, it may have landed.
    fn write(&mut self, write: impl FnOnce(&mut Store)) -> Result<(), Killed> {
        let killed = self.step();
        if killed.is_ok() || self.chance(0.5) {
            write(&mut self.store);
        }
        killed?;
        self.step()
    }

    /// Some time passes, and something may happen.
    fn pass(&mut self) {
        self.now += self.random.random_range(200..1_500);
        if self.now > EVENTFUL * 1_000 {
            self.silences.clear();
            self.life = None;
            return;
        }
        if self.chance(0.15) {
            let customer = self.random.random_range(0..CUSTOMERS);
            self.failing[customer] = !self.failing[customer];
        }
        if self.chance(0.02) {
            let customer = self.random.random_range(0..CUSTOMERS);
            let length = self.random.random_range(5_000..60_000);
            self.silences.push(Silence {
                id: format!("s{}", self.now),
                matchers: conditions(&[format!("customer=c{customer}")]).expect("conditions"),
                author: String::new(),
                reason: String::new(),
                starts_at: self.now(),
                ends_at: time(self.now + length),
                created_at: self.now(),
            });
        }
    }

    fn observations(&self) -> Vec<Observation<'static>> {
        let failing = (0..CUSTOMERS).filter(|customer| self.failing[*customer]);
        let values = |customer: usize| vec![format!("c{customer}"), format!("v{}", customer % 2)];
        failing
            .map(|customer| Observation {
                values: values(customer).into(),
                value: 1.0,
                standing: Standing::Exceeds,
                is_new: false,
            })
            .collect()
    }

    /// The target takes a notification, perhaps not for the first time.
    fn hear(&mut self, notification: &Notification) {
        let Notification { id, alerts, reason, .. } = notification;
        let name =
            format!("{} {:?} {}", notification.receiver, notification.integration, notification.group_key);
        let target = self.heard.entry(name).or_default();
        let before = target.ids.insert(id.clone(), alerts.clone());
        if let Some(before) = before {
            assert_eq!(&before, alerts, "seed {}: {id} says something else", self.seed);
            return;
        }
        let news = alerts.iter().filter(|alert| target.seen.insert(alert.id.clone())).count();
        let repeats = *reason == NotifyReason::RepeatElapsed;
        assert!(news > 0 || repeats, "seed {}: {id} tells what another id told: {alerts:#?}", self.seed);
        for alert in alerts {
            target.believes.insert(alert.fingerprint.clone(), alert.state);
        }
    }

    /// Whether a target took this notification before.
    fn took(&self, notification: &Notification) -> bool {
        self.heard.values().any(|target| target.ids.contains_key(&notification.id))
    }
}

const DIMENSIONS: &[Dimension] = &[Dimension::Customer, Dimension::Integration];

fn terms() -> Terms {
    Terms::beyond(Quantity::Real(0.0), Duration::from_secs(3))
}

fn subject<'a>(terms: &'a Terms, none: &'a Texts) -> Subject<'a> {
    Subject {
        group: "g",
        rule: "A",
        labels: none,
        dimensions: DIMENSIONS,
        terms,
        overrides: &[],
        covers: Duration::from_secs(60),
        annotations: none,
    }
}

/// One process, in the order of the pipeline, until it dies or its time is over.
fn live(world: &mut World) -> Result<(), Killed> {
    let (terms, none) = (terms(), Texts::new());
    let subject = subject(&terms, &none);
    let remembered = world.store.last();
    let (mut evaluator, orphans) =
        Evaluator::restore(&RuleSet::default(), &[(subject.key(), DIMENSIONS)], &remembered, world.now());
    assert_eq!(orphans, []);
    let mut dispatcher = Dispatcher::new(Routing::parse("routing.yaml", ROUTING).expect("valid"));
    let mut on_the_way = dispatcher.restore(&remembered, world.store.told(), world.store.planned());
    while world.now < (EVENTFUL + CALM) * 1_000 {
        world.pass();
        let changes = evaluator.step(subject, world.observations(), Trust::All, world.now()).transitions;
        if !changes.is_empty() {
            world.write(|store| store.transitions.extend(changes.clone()))?;
        }
        dispatcher.observe(&changes);
        dispatcher.hush(world.silences.clone());
        if dispatcher.due().is_some_and(|due| due <= world.now()) {
            let planned: Vec<Notification> = dispatcher.flush(world.now()).into_iter().flatten().collect();
            let at = world.now();
            world.write(|store| planned.iter().for_each(|sent| store.note(sent, Outcome::Planned, at)))?;
            on_the_way.extend(planned);
        }
        let mut waiting = Vec::new();
        for notification in std::mem::take(&mut on_the_way) {
            waiting.extend(attempt(world, &mut dispatcher, notification)?);
        }
        on_the_way = waiting;
    }
    Ok(())
}

/// One attempt to deliver; the notification comes back when another one follows.
fn attempt(
    world: &mut World,
    dispatcher: &mut Dispatcher,
    notification: Notification,
) -> Result<Option<Notification>, Killed> {
    world.step()?;
    world.now += world.random.random_range(1..50);
    let calm = world.life.is_none();
    let arrives = calm || world.chance(0.7);
    if arrives {
        world.hear(&notification);
        world.step()?;
    }
    let at = world.now();
    if arrives && (calm || world.chance(0.8)) {
        dispatcher.settle(&notification, Settled::Delivered, at);
        world.write(|store| store.note(&notification, Outcome::Delivered, at))?;
        return Ok(None);
    }
    if !world.took(&notification) && world.chance(0.3) {
        dispatcher.settle(&notification, Settled::GaveUp, at);
        world.write(|store| store.note(&notification, Outcome::GaveUp, at))?;
        return Ok(None);
    }
    world.write(|store| store.note(&notification, Outcome::Failed, at))?;
    Ok(Some(notification))
}

/// In the end every target believes of every alert what is true.
fn check_beliefs(world: &World) {
    let mut firing: BTreeMap<&str, bool> = BTreeMap::new();
    for transition in &world.store.transitions {
        firing.insert(&transition.fingerprint, transition.state == State::Firing);
    }
    let mut told = BTreeSet::new();
    for (name, target) in &world.heard {
        for (print, state) in &target.believes {
            let truth = firing.get(print.as_str()).copied().unwrap_or_default();
            assert_eq!(*state == State::Firing, truth, "seed {}: {name} of {print}", world.seed);
            told.insert(print.as_str());
        }
    }
    let open = firing.iter().filter(|(_, firing)| **firing).map(|(print, _)| *print);
    for print in open {
        assert!(told.contains(print), "seed {}: nobody was told of {print}", world.seed);
    }
}

fn history(seed: u64) -> u32 {
    let mut world = World::new(seed);
    while live(&mut world).is_err() {
        world.kills += 1;
        world.life = Some(world.random.random_range(1..60));
    }
    check_beliefs(&world);
    world.kills
}

#[test]
fn a_thousand_kills_neither_forget_an_alert_nor_tell_a_transition_under_two_ids() {
    let kills: u32 = (0..SEEDS).map(history).sum();
    assert!(kills >= 1_000, "only {kills} kills in {SEEDS} histories");
}
