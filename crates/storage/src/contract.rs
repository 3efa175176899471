//! The contract of [`Store`]: what every implementation passes.

use core::ops::ControlFlow;

use crate::{Batch, KEY_LENGTH_MAX, Rows, Store, StoreError, Table};

/// Checks every promise of [`Store`] that needs no crash. `open` makes an empty store each time.
///
/// # Errors
/// The promise that was broken, in a sentence.
pub fn check<S: Store>(mut open: impl FnMut() -> S) -> Result<(), String> {
    let checks: [(&str, Check); 8] = [
        ("an empty store has no rows", empty),
        ("what was put is there until it is deleted", put_and_delete),
        ("later changes of a batch win", later_wins),
        ("tables are apart", tables_apart),
        ("a scan is in order and keeps to its rows", scans),
        ("a prefix is deleted whole and nothing beside it", prefixes),
        ("keys that are empty or too long are refused and nothing is changed", keys),
        ("large values and large batches are kept", large),
    ];
    for (name, check) in checks {
        check(&mut open()).map_err(|Broken(what)| format!("\"{name}\" does not hold: {what}"))?;
    }
    Ok(())
}

/// Checks that what a store holds survives being closed and opened again. `open` opens the same store.
///
/// # Errors
/// The promise that was broken, in a sentence.
pub fn check_reopening<S: Store>(mut open: impl FnMut() -> Result<S, StoreError>) -> Result<(), String> {
    let told = |error: StoreError| error.to_string();
    let mut batch = Batch::new();
    batch.put(Table::Queue, b"a", b"1");
    batch.put(Table::Queue, b"b", b"2");
    let mut store = open().map_err(told)?;
    store.commit(&batch, true).map_err(told)?;
    batch.clear();
    batch.delete(Table::Queue, b"a");
    batch.put(Table::Retained, b"a", &[]);
    store.commit(&batch, false).map_err(told)?;
    store.sync().map_err(told)?;
    drop(store);
    let store = open().map_err(told)?;
    let holds = |Broken(what): Broken| format!("after opening again: {what}");
    expect(&store, Table::Queue, Rows::ALL, &[(b"b", b"2")]).map_err(holds)?;
    expect(&store, Table::Retained, Rows::ALL, &[(b"a", b"")]).map_err(holds)
}

/// What does not hold.
struct Broken(String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// One part of the contract, on an empty store.
type Check = fn(&mut dyn Store) -> Result<(), Broken>;

type Row<'a> = (&'a [u8], &'a [u8]);

fn expect(store: &dyn Store, table: Table, rows: Rows<'_>, expected: &[Row<'_>]) -> Result<(), Broken> {
    let mut found = Vec::new();
    store.scan(table, rows, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    if rows.prefix.is_empty()
        && rows.from.is_empty()
        && let Some(count) = store.rows(table)
        && count != found.len() as u64
    {
        return Err(Broken(format!("{table} says that it has {count} rows and has {}", found.len())));
    }
    let same =
        found.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).eq(expected.iter().copied());
    if same { Ok(()) } else { Err(Broken(format!("{table} has {found:?} and not {expected:?} in {rows:?}"))) }
}

fn expect_value(store: &dyn Store, table: Table, key: &[u8], expected: Option<&[u8]>) -> Result<(), Broken> {
    let found = store.get(table, key)?;
    match found.as_deref() == expected {
        true => Ok(()),
        false => Err(Broken(format!("{table} has {found:?} and not {expected:?} at {key:?}"))),
    }
}

fn empty(store: &mut dyn Store) -> Result<(), Broken> {
    store.commit(&Batch::new(), true)?;
    store.sync()?;
    Table::ALL.iter().try_for_each(|table| {
        expect(store, *table, Rows::ALL, &[])?;
        expect_value(store, *table, b"x", None)
    })
}

fn put_and_delete(store: &mut dyn Store) -> Result<(), Broken> {
    for (sync, table) in [true, false].into_iter().flat_map(|sync| Table::ALL.map(|table| (sync, table))) {
        let mut batch = Batch::new();
        batch.put(table, b"key", b"one");
        store.commit(&batch, sync)?;
        expect_value(store, table, b"key", Some(b"one"))?;
        batch.clear();
        batch.put(table, b"key", b"");
        store.commit(&batch, sync)?;
        expect_value(store, table, b"key", Some(b""))?;
        batch.clear();
        batch.delete(table, b"key");
        batch.delete(table, b"never there");
        store.commit(&batch, sync)?;
        expect_value(store, table, b"key", None)?;
    }
    Ok(())
}

fn later_wins(store: &mut dyn Store) -> Result<(), Broken> {
    let mut batch = Batch::new();
    batch.put(Table::Queue, b"a", b"first");
    batch.put(Table::Queue, b"a", b"second");
    batch.insert(Table::Queue, b"b", b"gone");
    batch.delete(Table::Queue, b"b");
    batch.delete(Table::Queue, b"c");
    batch.insert(Table::Queue, b"c", b"there");
    store.commit(&batch, true)?;
    expect(store, Table::Queue, Rows::ALL, &[(b"a", b"second"), (b"c", b"there")])
}

fn tables_apart(store: &mut dyn Store) -> Result<(), Broken> {
    let mut batch = Batch::new();
    Table::ALL.iter().for_each(|table| batch.put(*table, b"key", table.name().as_bytes()));
    store.commit(&batch, true)?;
    Table::ALL
        .iter()
        .try_for_each(|table| expect(store, *table, Rows::ALL, &[(b"key", table.name().as_bytes())]))
}

fn scans(store: &mut dyn Store) -> Result<(), Broken> {
    let mut batch = Batch::new();
    let keys: [&[u8]; 6] = [b"b\xFF\xFF", b"a", b"b", b"b\x00", b"c", b"b\xFF"];
    keys.iter().for_each(|key| batch.put(Table::Queue, key, b"."));
    store.commit(&batch, true)?;
    let row = |key: &'static [u8]| -> Row<'static> { (key, b".") };
    let b = [row(b"b"), row(b"b\x00"), row(b"b\xFF"), row(b"b\xFF\xFF")];
    let all = [&[row(b"a")][..], &b, &[row(b"c")]].concat();
    expect(store, Table::Queue, Rows::ALL, &all)?;
    expect(store, Table::Queue, Rows::with_prefix(b"b"), &b)?;
    expect(store, Table::Queue, Rows::with_prefix(b"b\xFF"), &b[2..])?;
    expect(store, Table::Queue, Rows::with_prefix(b"d"), &[])?;
    expect(store, Table::Queue, Rows::with_prefix(b"b").starting_at(b"b\x01"), &b[2..])?;
    expect(store, Table::Queue, Rows::with_prefix(b"b").starting_at(b"a"), &b)?;
    expect(store, Table::Queue, Rows::with_prefix(b"b").starting_at(b"c"), &[])?;
    expect(store, Table::Queue, Rows::ALL.starting_at(b"bz"), &all[3..])?;
    let mut seen = 0;
    store.scan(Table::Queue, Rows::ALL, &mut |_, _| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if seen == 2 { Ok(()) } else { Err(Broken(format!("a scan that was broken off visited {seen} rows"))) }
}

fn prefixes(store: &mut dyn Store) -> Result<(), Broken> {
    let mut batch = Batch::new();
    let keys: [&[u8]; 6] = [b"a", b"b", b"b\x00", b"b\xFF\xFF", b"c", b"\xFF\xFF"];
    keys.iter().for_each(|key| batch.put(Table::Queue, key, b"."));
    batch.put(Table::Bodies, b"b", b".");
    store.commit(&batch, true)?;
    batch.clear();
    batch.put(Table::Queue, b"b\x01", b"goes too");
    batch.delete_prefix(Table::Queue, b"b");
    batch.put(Table::Queue, b"b\x02", b"stays");
    batch.delete_prefix(Table::Queue, b"\xFF");
    store.commit(&batch, true)?;
    expect(store, Table::Queue, Rows::ALL, &[(b"a", b"."), (b"b\x02", b"stays"), (b"c", b".")])?;
    expect(store, Table::Bodies, Rows::ALL, &[(b"b", b".")])
}

fn keys(store: &mut dyn Store) -> Result<(), Broken> {
    let longest = vec![b'k'; KEY_LENGTH_MAX];
    let mut batch = Batch::new();
    batch.put(Table::Retained, &longest, b"value");
    store.commit(&batch, true)?;
    expect_value(store, Table::Retained, &longest, Some(b"value"))?;
    for key in [vec![], vec![b'k'; KEY_LENGTH_MAX + 1]] {
        let mut batch = Batch::new();
        batch.put(Table::Queue, b"a", b".");
        batch.put(Table::Queue, &key, b".");
        match store.commit(&batch, true) {
            Err(StoreError::Key { table: Table::Queue, length }) if length == key.len() => {}
            other => return Err(Broken(format!("a key of {} bytes gave {other:?}", key.len()))),
        }
    }
    expect(store, Table::Queue, Rows::ALL, &[])
}

fn large(store: &mut dyn Store) -> Result<(), Broken> {
    let value = vec![7; 3 << 20];
    let mut batch = Batch::new();
    batch.put(Table::Bodies, b"large", &value);
    store.commit(&batch, true)?;
    expect_value(store, Table::Bodies, b"large", Some(&value))?;
    batch.clear();
    (0..20_000u32).for_each(|number| batch.put(Table::Queue, &number.to_be_bytes(), &number.to_le_bytes()));
    store.commit(&batch, true)?;
    batch.clear();
    (0..20_000u32).filter(|number| number % 3 > 0).for_each(|n| batch.delete(Table::Queue, &n.to_be_bytes()));
    store.commit(&batch, true)?;
    let mut expected = (0..20_000u32).step_by(3);
    let mut wrong = None;
    store.scan(Table::Queue, Rows::ALL, &mut |key, value| {
        let number = expected.next();
        if number.map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice) == Some(key)
            && number.map(u32::to_le_bytes).as_ref().map(<[u8; 4]>::as_slice) == Some(value)
        {
            return ControlFlow::Continue(());
        }
        wrong = Some(format!("row {key:?} where {number:?} was expected"));
        ControlFlow::Break(())
    })?;
    match (wrong, expected.next()) {
        (None, None) => Ok(()),
        (Some(what), _) => Err(Broken(what)),
        (None, Some(number)) => Err(Broken(format!("row {number} is missing"))),
    }
}
