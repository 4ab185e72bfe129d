use reinstate_verifier::{document::DocumentReader, evaluate, models::Bundle};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let bundle = Bundle::open(None).unwrap();
    let mut reader = DocumentReader::new(&bundle).unwrap();
    let today = jiff::civil::date(2026, 11, 23);
    if a[1] == "all" {
        let all = evaluate::read_all(std::path::Path::new(&a[2]), &mut reader, today).unwrap();
        for r in &all {
            println!("{} {} {:?} {:?}", r.id, r.format, r.outcome, r.cpu);
            if r.outcome != evaluate::Outcome::Exact {
                for l in &r.printed {
                    println!("    {l}");
                }
                for l in &r.read {
                    println!("  r {l}");
                }
            }
        }
        println!("exact {}", all.iter().filter(|r| r.outcome == evaluate::Outcome::Exact).count());
    } else {
        let e = reader.examine(&std::fs::read(&a[2]).unwrap(), None, today).unwrap();
        println!("{} {:?}", serde_json::to_string(&e.observation).unwrap(), e.timings.wall_ms());
    }
}
