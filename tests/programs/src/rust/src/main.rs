//! A Rust program that uses collections, traits, formatting, files, and two well-known crates.
//! Does not use threads, which wasm32-wasip1 has none of.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};

trait Step {
    fn apply(&self, x: u128) -> u128;
}

struct Add(u128);
struct Multiply(u128);

impl Step for Add {
    fn apply(&self, x: u128) -> u128 {
        x.wrapping_add(self.0)
    }
}

impl Step for Multiply {
    fn apply(&self, x: u128) -> u128 {
        x.wrapping_mul(self.0)
    }
}

fn shortest(edges: &[(usize, usize, u32)], nodes: usize) -> Vec<Option<u32>> {
    let mut distance = vec![None; nodes];
    let mut heap = BinaryHeap::from([(std::cmp::Reverse(0), 0)]);
    while let Some((std::cmp::Reverse(d), at)) = heap.pop() {
        if distance[at].is_some() {
            continue;
        }
        distance[at] = Some(d);
        for &(_, to, w) in edges.iter().filter(|e| e.0 == at) {
            heap.push((std::cmp::Reverse(d + w), to));
        }
    }
    distance
}

fn files() -> std::io::Result<()> {
    let path = "/data/rust.bin";
    let mut file = std::fs::OpenOptions::new().create(true).read(true).write(true).open(path)?;
    let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i * i >> 3) as u8).collect();
    file.write_all(&bytes)?;
    file.seek(SeekFrom::Start(50_000))?;
    let mut part = [0; 8];
    file.read_exact(&mut part)?;
    println!("{part:?} of {} bytes", file.metadata()?.len());
    std::fs::create_dir_all("/data/deep/er")?;
    std::fs::copy(path, "/data/deep/er/copy")?;
    let mut names: Vec<_> = std::fs::read_dir("/data")?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    println!("{names:?}, copied {}", std::fs::read("/data/deep/er/copy")? == bytes);
    println!("{:?}", std::fs::read("/data/none").map_err(|e| e.kind()));
    std::fs::remove_dir_all("/data/deep")
}

fn main() {
    let mut words: HashMap<String, usize> = HashMap::new();
    let stdin = std::io::stdin().lock();
    for line in stdin.lines().map_while(Result::ok) {
        for word in line.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    let by_count: BTreeMap<_, _> = words.iter().map(|(w, n)| ((std::cmp::Reverse(n), w.as_str()), ())).collect();
    println!("{} words; {:?}", words.len(), by_count.keys().take(3).collect::<Vec<_>>());

    let steps: Vec<Box<dyn Step>> = (1..40).map(|i| -> Box<dyn Step> { if i % 3 == 0 { Box::new(Multiply(i * 7919)) } else { Box::new(Add(i << 60)) } }).collect();
    let value = steps.iter().fold(1_u128, |x, s| s.apply(x));
    println!("{value} {} {:#x}", value.leading_zeros(), value % 1_000_000_007);

    let edges: Vec<_> = (0..60).flat_map(|i| [(i, (i * 7 + 3) % 60, i as u32 % 11 + 1), (i, (i + 1) % 60, 9)]).collect();
    println!("{:?}", shortest(&edges, 60).iter().flatten().sum::<u32>());

    let pattern = regex::Regex::new(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)").unwrap();
    println!("{}", pattern.replace_all("from 2024-02-29 to 2026-11-22", "$d.$m.$y"));
    let mut json: serde_json::Value = serde_json::from_str(r#"{"b":[1,2.5,-3e-7,true,null],"a":{"é":"\u00fc\n"}}"#).unwrap();
    json["b"][0] = (u64::MAX).into();
    println!("{json}");

    let mut text = String::new();
    for x in [0.1_f64 + 0.2, 1e300 * 1e10, f64::MIN_POSITIVE / 3.0, -0.0] {
        write!(text, "{x} {x:e} {:?} ", x as f32).unwrap();
    }
    println!("{text}{:?} {:?}", "1.7976931348623157e308".parse::<f64>(), i32::MAX.checked_add(1));
    files().expect("the folder /data is there");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("{arguments:?} {:?}", std::env::var("STERNA_TEST"));
    std::process::exit(words.len() as i32 % 100);
}
