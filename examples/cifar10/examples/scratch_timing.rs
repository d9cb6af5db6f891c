use burn::tensor::{Device, Distribution, Tensor};
use frostline::svcca::{Measure, Snapshot, View};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    s.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn main() {
    let device = Device::flex();
    for (n, d) in [
        (250usize, 16usize),
        (500, 8),
        (500, 16),
        (500, 32),
        (500, 64),
        (500, 128),
        (1280, 32),
        (1280, 64),
        (1280, 128),
        (4096, 64),
        (4096, 256),
        (2000, 256),
        (4096, 512),
    ] {
        let make = |seed| {
            device.seed(seed);
            let x = Tensor::<2>::random([n, d], Distribution::Normal(0.0, 1.0), &device);
            let w: Vec<f32> = (0..d)
                .map(|i| 1.0 / (1.0 + i as f32 * 8.0 / d as f32))
                .collect();
            x * Tensor::<1>::from_floats(w.as_slice(), &device).unsqueeze()
        };
        let (a, e) = (make(1), make(2));
        let b = a.clone() + e.clone() * 0.1;
        let c = a.clone() + e * 0.3;
        let mut parts = [0.0; 4];
        let mut count = 0;
        let t0 = cpu();
        while cpu() - t0 < 0.6 || count < 2 {
            let t = cpu();
            let s = [&a, &b, &c]
                .map(|x| Snapshot::of(&View::new(x).unwrap(), Measure::default()).unwrap());
            parts[0] += (cpu() - t) / 3.0;
            let t = cpu();
            let _ = s[0].similarity(&s[1]).unwrap();
            parts[1] += cpu() - t;
            let t = cpu();
            let _ = s[0].likeness(&s[1]).unwrap();
            parts[2] += cpu() - t;
            let t = cpu();
            let _ = s[0].likeness(&s[2]).unwrap();
            parts[3] += cpu() - t;
            count += 1;
        }
        let ms = parts.map(|p| 1e3 * p / count as f64);
        println!(
            "{n} {d} of {:.3} sim {:.3} like {:.3} {:.3} all {:.3}",
            ms[0],
            ms[1],
            ms[2],
            ms[3],
            ms.iter().sum::<f64>()
        );
    }
}
