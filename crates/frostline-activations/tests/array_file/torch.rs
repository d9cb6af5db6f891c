//! Files of `torch.save`: real ones, and pickles that are broken or meant to do harm.

use frostline_activations::{ArrayFile, ArrayFileProblem as Problem};

use crate::written::as_f64;
use crate::zip_written::{deflated, stored, zip};
use crate::zipped::{file, listed, of_bytes};

const X: [f64; 6] = [1.5, -2.0, 3.0, 0.25, 5.0, -6.0];

/// Instructions that put a whole number on the stack.
fn number(number: usize) -> Vec<u8> {
    let mut bytes = vec![0x8a, 8];
    bytes.extend((number as u64).to_le_bytes());
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = b"X".to_vec();
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn tuple(numbers: &[usize]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|&n| number(n));
    [b"(".to_vec(), numbers.collect(), b"t".to_vec()].concat()
}

/// Instructions that put a tensor of storage `0` on the stack, which has `stored` values.
fn tensor(kind: &str, stored: usize, first: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{kind}\n").into_bytes(),
        text("0"),
        text("cpu"),
        number(stored),
        b"tQ".to_vec(),
        number(first),
        tuple(shape),
        tuple(strides),
        b"\x89)tR".to_vec(),
    ]
    .concat()
}

/// An archive with this pickle and this storage.
fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let pickle = [b"\x80\x02", pickle, b"."].concat();
    zip(&[
        stored("x/data.pkl", &pickle),
        stored("x/data/0", storage),
        stored("x/version", b"3\n"),
    ])
}

fn pickle_problem(pickle: &[u8]) -> String {
    match of_bytes(&archive(pickle, &[0; 64])) {
        Err(problem @ Problem::Pickle { .. }) => problem.to_string(),
        other => panic!(
            "{:?}",
            other.map(|archive| format!("{:?}", archive.entries()))
        ),
    }
}

fn floats(count: usize) -> Vec<u8> {
    (0..count).flat_map(|k| (k as f32).to_le_bytes()).collect()
}

#[test]
fn a_tensor_a_list_and_a_dict_of_torch_are_read_in_their_order() {
    let only = listed(&file("torch-tensor.pt"));
    assert_eq!(only[0].0, "torch-tensor"); // a tensor has no name, so the file's
    assert_eq!(only[0].3.as_deref(), Some(&X[..]));
    let mut opened = ArrayFile::open(file("torch-tensor.pt")).unwrap();
    assert_eq!(
        (opened.shape(), opened.dtype_name()),
        (&[3, 2][..], "float32")
    );
    assert_eq!(as_f64(&opened.read_rows(1..3).unwrap()), X[2..]);

    let list: Vec<_> = listed(&file("torch-list.pt"));
    let kinds: Vec<_> = list
        .iter()
        .map(|(name, dtype, ..)| (&name[..], &dtype[..]))
        .collect();
    assert_eq!(kinds, [("0", "float32"), ("1", "float64")]);
    assert!(
        list.iter()
            .all(|(.., values)| values.as_deref() == Some(&X[..]))
    );

    let seen = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let expected: [(&str, &str, &[f64]); 6] = [
        ("block2", "float16", &X),
        ("block1", "bfloat16", &X),
        ("labels", "int64", &[7.0, 8.0, 9.0]),
        ("nested.turned", "float32", &X),
        ("nested.seen", "bool", &seen),
        ("nested.3", "int8", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    ];
    let dict = listed(&file("torch-dict.pt"));
    let found = dict.iter().map(|(name, dtype, _, values)| {
        (
            &name[..],
            &dtype[..],
            values.as_deref().expect("it can be read"),
        )
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_of_an_older_torch_and_a_whole_module_are_read() {
    let old = listed(&file("torch-old.pt"));
    assert_eq!((&old[0].0[..], &old[0].1[..]), ("a", "float32"));
    assert_eq!(old[0].3.as_deref(), Some(&X[..]));
    assert_eq!((&old[1].0[..], &old[1].1[..]), ("b", "int64"));
    assert_eq!(
        old[1].3.as_deref(),
        Some(&[1.0, -2.0, 3.0, 0.0, 5.0, -6.0][..])
    );

    let module = listed(&file("torch-module.pt"));
    let names: Vec<_> = module.iter().map(|(name, ..)| &name[..]).collect();
    assert_eq!(
        names,
        [
            "_modules.0._parameters.weight",
            "_modules.0._parameters.bias"
        ]
    );
    assert!(module.iter().all(|(.., values)| values.is_some()));
}

#[test]
fn views_are_read_and_what_is_no_dense_tensor_says_what_it_is() {
    let odd = listed(&file("torch-odd.pt"));
    let values = |name: &str| {
        odd.iter()
            .find(|(found, ..)| found == name)
            .unwrap()
            .3
            .clone()
    };
    // big[i, 1, j, k + 1] of arange(48) in shape [3, 2, 2, 4]
    let part = [
        9.0, 10.0, 13.0, 14.0, 25.0, 26.0, 29.0, 30.0, 41.0, 42.0, 45.0, 46.0,
    ];
    assert_eq!(values("part"), Some(part.to_vec()));
    let all: Vec<f64> = (0..48).map(f64::from).collect();
    assert_eq!(values("channels_last"), Some(all));
    assert_eq!(values("parameter"), Some(X.to_vec()));

    let problem = |name: &str| {
        let path = format!("{}:{name}", file("torch-odd.pt").display());
        ArrayFile::open(path).unwrap_err().to_string()
    };
    for (name, says) in [
        (
            "sparse",
            "_rebuild_sparse_tensor, not a dense tensor; save tensor.to_dense()",
        ),
        ("complex", "torch.ComplexFloatStorage"),
        ("complex", "torch.view_as_real"),
        ("expanded", "6 values but at most 1 of them are stored"),
        ("scalar", "it has 0 axes"),
        ("quantized", "_rebuild_qtensor"),
        ("array", "a NumPy array in a pickle"),
    ] {
        assert!(problem(name).contains(says), "{name}: {}", problem(name));
    }
}

#[test]
fn any_strides_give_the_values_that_their_formula_names() {
    let count = 700_000_usize; // more than a block
    let storage = floats(count);
    for (first, shape, strides) in [
        (0, vec![4, 3], vec![3, 1]),
        (7, vec![4, 3], vec![1, 4]),
        (5, vec![300, 20], vec![2000, 3]),
        (0, vec![20, 300], vec![3, 2000]),
        (1, vec![6, 5, 4, 3], vec![60, 1, 15, 5]), // channels last
        (2, vec![40, 50, 60], vec![60, 2400, 1]),  // [seq, batch, d] as [batch, seq, d]
        (0, vec![2, 3, 4], vec![1, 2, 6]),
        (3, vec![700, 2], vec![999, 1]),
        (0, vec![2, 340_000], vec![340_001, 1]),
        (0, vec![2, 349_990], vec![5, 2]), // rows that share values
        (9, vec![1, 5, 1], vec![7, 100_000, 9]),
        (0, vec![340_000, 2], vec![2, 1]),
        (0, vec![349_000, 2], vec![1, 350_000]),
        (4, vec![3, 5], vec![0, 1]),
        (4, vec![5, 3], vec![1, 0]),
    ] {
        let strided = tensor("FloatStorage", count, first, &shape, &strides);
        let bytes = zip(&[
            stored("data.pkl", &[b"\x80\x02", &strided[..], b"."].concat()),
            if shape[0] == 20 {
                deflated("data/0", &storage)
            } else {
                stored("data/0", &storage)
            },
        ]);
        let mut archive = of_bytes(&bytes).unwrap();
        let mut array = archive.array(0).unwrap();
        assert_eq!(array.shape(), shape);
        let width: usize = shape[1..].iter().product();
        let value = |mut at: usize| {
            let mut place = first;
            for (&axis, &stride) in shape.iter().zip(&strides).rev() {
                place += at % axis * stride;
                at /= axis;
            }
            place as f32
        };
        let n = shape[0];
        for rows in [0..n, n / 2..n, n / 3..n / 3 + 1] {
            let read: Vec<f32> = array
                .read_rows(rows.clone())
                .unwrap()
                .try_into_vec()
                .unwrap();
            assert_eq!(read.len(), rows.len() * width);
            let first = rows.start * width;
            let differs = (0..read.len()).find(|&at| read[at] != value(first + at));
            assert_eq!(differs, None, "{shape:?}, {strides:?}, rows {rows:?}");
        }
    }
}

#[test]
fn a_tensor_beyond_its_storage_is_an_error_of_that_tensor() {
    for (first, shape, strides) in [
        (0, vec![5, 2], vec![2, 1]),
        (7, vec![2, 1], vec![1, 1]),
        (usize::MAX >> 1, vec![2, 2], vec![2, 1]),
        (0, vec![1 << 40, 1 << 40], vec![1, 1]),
        (0, vec![2, 2], vec![usize::MAX >> 1, usize::MAX >> 1]),
        (0, vec![2, 2], vec![1]),
        (0, vec![1 << 30, 1], vec![0, 0]),
    ] {
        let broken = tensor("FloatStorage", 8, first, &shape, &strides);
        let sound = tensor("FloatStorage", 8, 0, &[4, 2], &[2, 1]);
        let list = [b"](".to_vec(), broken, sound, b"e".to_vec()].concat();
        let bytes = archive(&list, &floats(8));
        let mut archive = of_bytes(&bytes).unwrap();
        assert!(archive.entries()[0].problem().is_some(), "{shape:?}");
        let rows = archive.array(1).unwrap().read_rows(0..4).unwrap();
        assert_eq!(as_f64(&rows), [0., 1., 2., 3., 4., 5., 6., 7.]);
    }
    // The storage is shorter than the pickle says, or not there.
    let bytes = archive(&tensor("FloatStorage", 8, 0, &[4, 2], &[2, 1]), &floats(7));
    assert!(of_bytes(&bytes).unwrap().entries()[0].problem().is_some());
    let pickle = [
        b"\x80\x02",
        &tensor("FloatStorage", 8, 0, &[4, 2], &[2, 1])[..],
        b".",
    ]
    .concat();
    let bytes = zip(&[stored("x/data.pkl", &pickle)]);
    let problem = of_bytes(&bytes).unwrap().entries()[0]
        .problem()
        .unwrap()
        .to_string();
    assert!(problem.contains("storage `0` is missing"), "{problem}");
}

#[test]
fn big_endian_files_of_torch_are_read() {
    let pickle = [
        b"\x80\x02",
        &tensor("ShortStorage", 2, 0, &[2, 1], &[1, 1])[..],
        b".",
    ]
    .concat();
    let bytes = zip(&[
        stored("x/data.pkl", &pickle),
        stored("x/data/0", &[1, 2, 0xff, 0xfe]),
        stored("x/byteorder", b"big"),
    ]);
    let rows = of_bytes(&bytes)
        .unwrap()
        .array(0)
        .unwrap()
        .read_rows(0..2)
        .unwrap();
    assert_eq!(as_f64(&rows), [258.0, -2.0]);
}

#[test]
fn nothing_in_a_pickle_is_run() {
    let marker = std::env::temp_dir().join(format!("frostline-pickle-{}", std::process::id()));
    let command = format!("touch {}", marker.display());
    for function in [
        "posix\nsystem",
        "os\nsystem",
        "subprocess\ncheck_output",
        "builtins\nexec",
    ] {
        let call = [
            format!("c{function}\n").into_bytes(),
            text(&command),
            b"\x85R".to_vec(),
        ]
        .concat();
        let tensor = tensor("FloatStorage", 8, 0, &[4, 2], &[2, 1]);
        let both = [b"](".to_vec(), call, tensor, b"e".to_vec()].concat();
        let bytes = archive(&both, &floats(8));
        let archive = of_bytes(&bytes).unwrap();
        assert_eq!(archive.entries().len(), 1);
        assert_eq!(archive.entries()[0].name(), "1");
        assert!(!marker.exists());
    }
}

#[test]
fn pickles_that_repeat_or_contain_themselves_end_soon() {
    // A list of two lists of two lists ..: 2^60 lists in all.
    let mut doubled = b"]q\x00".to_vec();
    for _ in 0..60 {
        doubled.extend(b"](h\x00h\x00eq\x00");
    }
    assert!(pickle_problem(&doubled).contains("many times"));
    // A list in itself, and a tuple that is a million deep.
    assert!(pickle_problem(b"]q\x00h\x00a").contains("more than 64 deep"));
    let deep = [b"]".to_vec(), vec![0x85; 1_000_000]].concat();
    assert!(pickle_problem(&deep).contains("more than 64 deep"));
    // Nothing but values, and marks, and one value very often.
    assert!(pickle_problem(&vec![b'N'; 5 << 20]).contains("more than 4194304 values"));
    assert!(pickle_problem(&vec![b'('; 5 << 20]).contains("more than 4194304 values"));
    let repeated = [b"N".to_vec(), vec![b'2'; 5 << 20]].concat();
    assert!(pickle_problem(&repeated).contains("more than 4194304 values"));
    // A tensor that is wrapped in itself.
    let wrapped = b"ctorch._utils\n_rebuild_parameter\n(]q\x00h\x00h\x00tR";
    of_bytes(&archive(wrapped, &[])).unwrap();
}

#[test]
fn tensors_that_share_their_storage_too_often_are_refused() {
    let tensor = [
        tensor("FloatStorage", 8, 0, &[4, 2], &[2, 1]),
        b"q\x01".to_vec(),
    ]
    .concat();
    let many = |count: usize| {
        [
            b"](".to_vec(),
            tensor.clone(),
            b"h\x01".repeat(count - 1),
            b"e".to_vec(),
        ]
    };
    let bytes = archive(&many(16).concat(), &floats(8));
    assert_eq!(of_bytes(&bytes).unwrap().entries().len(), 16);
    match of_bytes(&archive(&many(100).concat(), &floats(8))) {
        Err(Problem::Pickle { problem }) => {
            assert!(problem.contains("views of one another"), "{problem}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_pickle_that_makes_no_sense_says_why() {
    for (pickle, says) in [
        (&b""[..], "takes a value where there is none"),
        (b"a", "takes a value"),
        (b"](", "takes a value"),
        (b"e", "misses a mark"),
        (b"]N]s", "adds a key to what is no dict"),
        (b"NNa", "adds an item to what is no list"),
        (b"}(Nu", "a key has no value"),
        (b"h\x05", "recalls value 5"),
        (b"\xfe", "no instruction 0xfe"),
        (b"\x80\x09", "protocol 9"),
        (b"NN\x93", "a class has no name"),
        (b"\x82\x01", "registered in Python"),
        (b"\x97", "kept outside"),
        (b"gx\n", "`x` is no number"),
        (b"X\xff\xff\xff\xff", "longer than 64 MiB"),
        (b"X\xff\xff\x00\x00", "ends too early"),
    ] {
        let problem = pickle_problem(pickle);
        assert!(problem.contains(says), "{pickle:?}: {problem}");
    }
    let cut = zip(&[stored("x/data.pkl", b"\x80\x02]")]);
    let problem = of_bytes(&cut).unwrap_err().to_string();
    assert!(problem.contains("ends too early"), "{problem}");

    // A pickle that is deflated to a thousandth of what is read of it.
    let long = [
        b"\x80\x02B".to_vec(),
        u32::MAX.to_le_bytes().to_vec(),
        vec![0; 1 << 20],
    ]
    .concat();
    let problem = of_bytes(&zip(&[deflated("x/data.pkl", &long)]))
        .unwrap_err()
        .to_string();
    assert!(problem.contains("longer than 64 MiB"), "{problem}");
}

#[test]
fn old_files_of_torch_that_are_cut_off_are_errors() {
    let whole = std::fs::read(file("torch-old.pt")).unwrap();
    of_bytes(&whole).unwrap();
    for length in 0..whole.len() {
        assert!(of_bytes(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn keys_of_every_kind_give_tensors_names_of_their_own() {
    let one = tensor("FloatStorage", 6, 0, &[6], &[1]);
    let real = [b"G".to_vec(), 0.5f64.to_be_bytes().to_vec()].concat();
    let dict = |pairs: &[(Vec<u8>, Vec<u8>)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| [key.clone(), value.clone()].concat());
        [
            b"}(".to_vec(),
            pairs.collect::<Vec<_>>().concat(),
            b"u".to_vec(),
        ]
        .concat()
    };
    let names = |pickle: &[u8]| {
        let bytes = archive(pickle, &floats(6));
        let archive = of_bytes(&bytes).unwrap();
        let names = archive
            .entries()
            .iter()
            .map(|entry| entry.name().to_string());
        names.collect::<Vec<String>>()
    };
    let keys = dict(&[
        (tuple(&[0, 1]), one.clone()),
        (tuple(&[0, 2]), one.clone()),
        (tuple(&[7]), one.clone()),
        (real, one.clone()),
        (b"N".to_vec(), one.clone()),
        (number(1), one.clone()),
        (text("1"), one.clone()),
        (text("1#2"), one.clone()),
    ]);
    let expected = ["(0, 1)", "(0, 2)", "(7,)", "0.5", "None", "1", "1#3", "1#2"];
    assert_eq!(names(&keys), expected);
    let below = dict(&[(text("b"), one.clone())]);
    let dotted = dict(&[(text("a.b"), one.clone()), (text("a"), below)]);
    assert_eq!(names(&dotted), ["a.b", "a.b#2"]);
}

#[test]
fn a_name_of_many_bytes_is_refused() {
    let one = tensor("FloatStorage", 6, 0, &[6], &[1]);
    let long = [b"}".to_vec(), text(&"k".repeat(70_000)), one, b"s".to_vec()].concat();
    let refused = of_bytes(&archive(&long, &floats(6)))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("70000 bytes"), "{refused}");
}
