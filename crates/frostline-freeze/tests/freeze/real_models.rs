//! Models as people write them: fields in any order, blocks further down, heads beside the network, one dropout for all,
//! weights that are used twice.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use frostline_activations::Tap;
use frostline_freeze::{
    CheckpointSchedule, Error, FreezeAt, FreezePolicy, FreezeTraining, Layers, Length, Never,
    Probe, freeze,
};

/// The same values whatever other tests draw meanwhile.
fn inputs(count: usize) -> Tensor<2> {
    let values: Vec<f32> = (0..count * 4)
        .map(|i| (i as f32 * 0.7).sin() + (i as f32 * 0.13).cos())
        .collect();
    Tensor::from_data(TensorData::new(values, [count, 4]), &Device::flex())
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn linear(inputs: usize, outputs: usize) -> Linear {
    LinearConfig::new(inputs, outputs).init(&device())
}

/// Blocks with a norm behind them.
#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<Linear>,
    norm: LayerNorm,
}

/// Declared as Burn's text classification is: what runs first comes second.
#[derive(Module, Debug)]
struct Classifier {
    encoder: Encoder,
    tokens: Linear,
    places: Param<Tensor<2>>,
    output: Linear,
}

impl Classifier {
    fn new(depth: usize) -> Self {
        let net = Classifier {
            encoder: Encoder {
                layers: (0..depth).map(|_| linear(6, 6)).collect(),
                norm: LayerNormConfig::new(6).init(&device()),
            },
            tokens: linear(4, 6),
            places: Param::from_tensor(Tensor::ones([1, 6], &device())),
            output: linear(6, 2),
        };
        let _drawn = net.valid();
        net
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.tokens.forward(x).tap("tokens");
        let x = (x + self.places.val()).tap("places");
        let mut x = x;
        for (i, layer) in self.encoder.layers.iter().enumerate() {
            x = (x.clone() + relu(layer.forward(x))).tap(&format!("encoder.layers.{i}"));
        }
        let x = self.encoder.norm.forward(x).tap("encoder.norm");
        let x = x.tap("encoder");
        self.output.forward(x).tap("output")
    }
}

fn names(layers: &Layers) -> Vec<&str> {
    layers.names().collect()
}

fn training<M: Module>(
    layers: Layers,
    probe: Probe<M>,
    policy: impl FreezePolicy + 'static,
) -> FreezeTraining<M> {
    FreezeTraining::new(layers, probe, policy, Length::steps(10))
        .checking(CheckpointSchedule::EverySteps(1))
}

/// What the first check of a training of these layers warns of, or why it doesn't start.
fn begins<M: Module>(
    model: &M,
    layers: Layers,
    forward: impl Fn(&M, Tensor<2>) -> Tensor<2> + Send + 'static,
) -> Result<Vec<String>, Error> {
    let mut freezing = training(layers, Probe::new(vec![inputs(60)], forward), Never);
    freezing.start(model)?;
    // What a measure says of a layer doesn't matter here.
    let warnings = freezing.history().checks()[0].warnings.iter();
    let of_a_layer = |warning: &&String| warning.contains("samples") || warning.contains("neuron");
    Ok(warnings
        .filter(|warning| !of_a_layer(warning))
        .cloned()
        .collect())
}

#[test]
fn fields_declared_in_another_order_than_they_run_are_an_error_with_both_orders_and_the_way_out() {
    let net = Classifier::new(2);
    let layers = Layers::of(&net).unwrap();
    assert_eq!(names(&layers), ["encoder", "tokens", "places", "output"]);
    let error = begins(&net, layers.clone(), Classifier::forward).unwrap_err();
    assert!(matches!(error, Error::OrderDiffers { .. }), "{error}");
    let message = error.to_string();
    for part in [
        "encoder, tokens, places, output",
        "tokens, places, encoder, output",
        r#"in_order(["tokens", "places", "encoder", "output"])"#,
        "ordered_by",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let named = layers
        .clone()
        .in_order(["tokens", "places", "encoder", "output"])
        .unwrap();
    let probe = Probe::new(vec![inputs(60)], Classifier::forward);
    let as_fired = layers.ordered_by(&probe, &net).unwrap();
    assert_eq!(names(&named), names(&as_fired));
    assert_eq!(
        begins(&net, named.clone(), Classifier::forward).unwrap(),
        [""; 0]
    );

    // The parameters have moved with their names.
    let net = freeze(net, &named, 2);
    let trains = |linear: &Linear| linear.weight.is_require_grad();
    assert!(!trains(&net.tokens) && !net.places.is_require_grad());
    assert!(net.encoder.layers.iter().all(trains) && trains(&net.output));
}

#[test]
fn an_order_has_to_name_every_layer_once() {
    let layers = Layers::of(&Classifier::new(1)).unwrap();
    let order = |names: &[&str]| layers.clone().in_order(names.iter().copied());
    assert!(matches!(
        order(&["tokens", "places", "output"]),
        Err(Error::NotInOrder { missing }) if missing == "encoder"
    ));
    assert!(matches!(
        order(&["tokens", "place", "encoder", "output"]),
        Err(Error::UnknownLayer { layer, layers }) if layer == "place" && layers.contains("places")
    ));
    assert!(matches!(
        order(&["tokens", "tokens", "places", "encoder", "output"]),
        Err(Error::SameName { layer }) if layer == "tokens"
    ));
}

#[test]
fn a_layer_without_a_tap_cannot_be_ordered_by_taps() {
    let net = Classifier::new(1);
    let probe = Probe::new(vec![inputs(60)], |net: &Classifier, x| {
        net.tokens.forward(x).tap("tokens")
    });
    let error = Layers::of(&net)
        .unwrap()
        .ordered_by(&probe, &net)
        .unwrap_err();
    assert!(matches!(error, Error::TapMissing { layer, .. } if layer == "encoder"));
}

#[test]
fn opened_fields_are_layers_of_their_own_in_place_of_the_field_that_holds_them() {
    let net = Classifier::new(3);
    let blocks = [
        "encoder.layers.0",
        "encoder.layers.1",
        "encoder.layers.2",
        "encoder.norm",
        "tokens",
        "places",
        "output",
    ];
    for path in ["encoder", "encoder.layers"] {
        let layers = Layers::open(path).build(&net).unwrap();
        assert_eq!(names(&layers), blocks, "{path}");
    }
    // Deeper, and several.
    let deeper = Layers::open("encoder.layers.1")
        .open("output")
        .build(&net)
        .unwrap();
    assert_eq!(
        names(&deeper),
        [
            "encoder.layers.0",
            "encoder.layers.1.weight",
            "encoder.layers.1.bias",
            "encoder.layers.2",
            "encoder.norm",
            "tokens",
            "places",
            "output.weight",
            "output.bias",
        ]
    );
    // Among layers that are named, and in any order of them.
    let layers = Layers::builder()
        .layer("embeddings", ["tokens", "places"])
        .open("encoder.layers")
        .layer("head", ["encoder.norm", "output"])
        .build(&net)
        .unwrap();
    assert_eq!(
        names(&layers),
        [
            "embeddings",
            "encoder.layers.0",
            "encoder.layers.1",
            "encoder.layers.2",
            "head"
        ]
    );
    let net = freeze(net, &layers, 2);
    let trains = |linear: &Linear| linear.weight.is_require_grad();
    assert!(!trains(&net.tokens) && !trains(&net.encoder.layers[0]));
    assert!(trains(&net.encoder.layers[1]) && net.encoder.norm.gamma.is_require_grad());
}

#[test]
fn layers_may_have_names_that_are_made_at_run_time() {
    let depth = 4;
    let net = Classifier::new(depth);
    let blocks = (0..depth).map(|i| (format!("block{i}"), vec![format!("encoder.layers.{i}")]));
    let layers = Layers::builder()
        .layer("tokens", ["tokens"])
        .layers(blocks)
        .layer(
            String::from("head"),
            [String::from("encoder.norm"), "output".into()],
        )
        .exempt(["places"])
        .build(&net)
        .unwrap();
    assert_eq!(
        names(&layers),
        ["tokens", "block0", "block1", "block2", "block3", "head"]
    );
    assert_eq!(layers.exempt().collect::<Vec<_>>(), ["places"]);
    assert_eq!(
        layers.paths(1).collect::<Vec<_>>(),
        ["encoder.layers.0.weight", "encoder.layers.0.bias"]
    );
    let net = freeze(net, &layers, depth + 1);
    assert!(net.places.is_require_grad(), "what is exempt never freezes");
    assert!(
        net.encoder
            .layers
            .iter()
            .all(|block| !block.weight.is_require_grad())
    );
    assert!(net.output.weight.is_require_grad());
}

#[test]
fn exempt_paths_count_more_than_those_of_the_layer_around_them() {
    let net = Classifier::new(2);
    let layers = Layers::builder()
        .exempt(["encoder.norm"])
        .build(&net)
        .unwrap();
    assert_eq!(names(&layers), ["encoder", "tokens", "places", "output"]);
    let net = freeze(net, &layers, 4);
    assert!(net.encoder.norm.gamma.is_require_grad());
    assert!(!net.encoder.layers[1].weight.is_require_grad());

    // A field of which everything is exempt is no layer.
    let layers = Layers::builder()
        .exempt(["encoder", "places"])
        .build(&net)
        .unwrap();
    assert_eq!(names(&layers), ["tokens", "output"]);
    let all = ["encoder", "tokens", "places", "output"];
    let nothing = Layers::builder().exempt(all).build(&net).unwrap_err();
    assert!(matches!(nothing, Error::NoLayers { .. }), "{nothing}");
    let named = Layers::builder()
        .layer("all", all)
        .layer("norm", ["encoder.norm"]);
    let nothing = named.exempt(["encoder.norm"]).build(&net).unwrap_err();
    assert!(matches!(nothing, Error::InTwoLayers { .. }), "{nothing}");
}

#[test]
fn paths_that_hold_nothing_are_errors_with_the_paths_that_exist() {
    let net = Classifier::new(1);
    let wrong = [
        Layers::below(&net, "encodr"),
        Layers::open("encoder.blocks").build(&net),
        Layers::builder().exempt(["cls_token"]).build(&net),
        Layers::builder()
            .assign("encoder.nor", "output")
            .build(&net),
        Layers::builder().layer("head", ["otuput"]).build(&net),
    ];
    for (layers, path) in wrong.into_iter().zip([
        "`encodr`",
        "`encoder.blocks`",
        "`cls_token`",
        "`encoder.nor`",
        "`otuput`",
    ]) {
        let message = layers.unwrap_err().to_string();
        assert!(message.contains(path), "{message}");
        for existing in ["encoder.layers.0.weight", "places", "output.bias"] {
            assert!(message.contains(existing), "{existing}: {message}");
        }
    }
    let unknown = Layers::builder()
        .assign("places", "outputs")
        .build(&net)
        .unwrap_err();
    assert!(matches!(
        unknown,
        Error::UnknownLayer { layer, layers } if layer == "outputs" && layers.contains("output")
    ));
    let left_out = Layers::builder()
        .layer("tokens", ["tokens"])
        .build(&net)
        .unwrap_err();
    let message = left_out.to_string();
    assert!(matches!(left_out, Error::InNoLayer { .. }));
    assert!(
        message.contains("exempt") && message.contains("output.weight"),
        "{message}"
    );
}

/// One dropout that two layers use, as Burn's examples have it.
#[derive(Module, Debug)]
struct OneDropout {
    first: Linear,
    second: Linear,
    dropout: Dropout,
    third: Linear,
    head: Linear,
}

impl OneDropout {
    fn new() -> Self {
        let net = OneDropout {
            first: linear(4, 6),
            second: linear(6, 6),
            dropout: DropoutConfig::new(0.5).init(),
            third: linear(6, 6),
            head: linear(6, 2),
        };
        let _drawn = net.valid();
        net
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self
            .dropout
            .forward(relu(self.first.forward(x)))
            .tap("first");
        let x = self
            .dropout
            .forward(relu(self.second.forward(x)))
            .tap("second");
        let x = relu(self.third.forward(x)).tap("third");
        self.head.forward(x).tap("head")
    }
}

#[test]
fn a_dropout_that_several_layers_use_is_on_until_all_that_may_freeze_are_frozen() {
    let net = OneDropout::new();
    let layers = Layers::of(&net).unwrap();
    assert_eq!(names(&layers), ["first", "second", "third", "head"]);
    assert_eq!(layers.outside().collect::<Vec<_>>(), ["dropout.training"]);
    let on = |count| {
        let net = freeze(net.clone(), &layers, count);
        let dropout = net.dropout.training.val().is_enabled();
        let ones = Tensor::<2>::ones([50, 50], &device());
        let dropped = net.dropout.forward(ones).inner().min().into_scalar::<f32>() == 0.0;
        assert_eq!(dropout, dropped);
        dropped
    };
    assert_eq!([0, 1, 2, 3].map(on), [true, true, true, false]);
}

#[test]
fn a_flag_may_be_given_to_a_layer_by_its_path() {
    let net = OneDropout::new();
    let named: [(&str, &[&str]); 4] = [
        ("first", &["first"]),
        ("second", &["second", "dropout"]),
        ("third", &["third"]),
        ("head", &["head"]),
    ];
    let named = Layers::named(&net, &named).unwrap();
    let assigned = Layers::builder()
        .assign("dropout", "second")
        .build(&net)
        .unwrap();
    for layers in [named, assigned] {
        assert_eq!(layers.outside().count(), 0);
        let on = |count| {
            let net = freeze(net.clone(), &layers, count);
            net.dropout.training.val().is_enabled()
        };
        assert_eq!([0, 1, 2, 3].map(on), [true, true, false, false]);
        assert_eq!(
            begins(&net, layers.clone(), OneDropout::forward).unwrap(),
            [""; 0]
        );
    }
    let alone = Layers::builder().layer("dropout", ["dropout"]);
    let alone = alone.layer("rest", ["first", "second", "third", "head"]);
    assert!(matches!(
        alone.build(&net),
        Err(Error::NoParameters { layer }) if layer == "dropout"
    ));
    let exempt = Layers::builder().exempt(["dropout"]).build(&net).unwrap();
    let net = freeze(net, &exempt, 3);
    assert!(
        net.dropout.training.val().is_enabled(),
        "what is exempt stays on"
    );
}

#[test]
fn the_first_check_says_which_flags_stay_on() {
    let net = OneDropout::new();
    let warnings = begins(&net, Layers::of(&net).unwrap(), OneDropout::forward).unwrap();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(
        warning.starts_with("`dropout` is in no layer: it stays on"),
        "{warning}"
    );
    assert!(warning.contains(r#"assign("dropout", ..)"#), "{warning}");
}

/// A decoder that is a copy of the embedding.
#[derive(Module, Debug)]
struct Tied {
    embedding: Linear,
    block: Linear,
    decoder: Linear,
}

impl Tied {
    fn new() -> Self {
        let embedding = linear(4, 4);
        let _drawn = embedding.valid();
        Tied {
            decoder: embedding.clone(),
            embedding,
            block: linear(4, 4),
        }
    }
}

#[test]
fn one_weight_at_two_paths_is_an_error_until_it_is_given_to_a_layer_or_exempt() {
    let net = Tied::new();
    let error = Layers::of(&net).unwrap_err();
    assert!(matches!(&error, Error::InTwoLayers { path, .. } if path == "decoder.weight"));
    let message = error.to_string();
    for part in [
        "`embedding`",
        "`decoder`",
        r#"assign("decoder.weight""#,
        "exempt",
        "init",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let layers = Layers::builder()
        .assign("embedding", "decoder")
        .build(&net)
        .unwrap();
    assert_eq!(
        names(&layers),
        ["block", "decoder"],
        "nothing is left of the embedding"
    );
    let frozen = freeze(net.clone(), &layers, 1);
    assert!(frozen.embedding.weight.is_require_grad());
    assert!(frozen.decoder.weight.is_require_grad());
    assert!(!frozen.block.weight.is_require_grad());

    // At any one of its paths.
    for path in ["embedding", "decoder"] {
        let layers = Layers::builder().exempt([path]).build(&net);
        assert_eq!(names(&layers.unwrap()), ["block"], "{path}");
    }
    let weight = Layers::builder()
        .layer("embedding", ["embedding"])
        .layer("block", ["block"])
        .layer("decoder", ["decoder"])
        .exempt(["decoder.weight"])
        .assign("decoder.bias", "decoder")
        .build(&net);
    assert!(matches!(
        weight,
        Err(Error::NoParameters { layer }) if layer == "embedding"
    ));
}

#[test]
fn copies_of_one_block_are_an_error_that_says_how_to_make_them() {
    let mut net = Classifier::new(1);
    net.encoder.layers = vec![linear(6, 6); 3];
    let message = Layers::open("encoder.layers")
        .build(&net)
        .unwrap_err()
        .to_string();
    assert!(message.contains("vec![layer; n]"), "{message}");
}

#[test]
fn copies_of_one_dropout_are_switched_off_with_their_own_layers() {
    #[derive(Module, Debug)]
    struct Block {
        linear: Linear,
        dropout: Dropout,
    }
    #[derive(Module, Debug)]
    struct Blocks {
        blocks: Vec<Block>,
    }
    let dropout = DropoutConfig::new(0.5).init();
    let block = || Block {
        linear: linear(4, 4),
        dropout: dropout.clone(),
    };
    let net = Blocks {
        blocks: (0..3).map(|_| block()).collect(),
    };
    let layers = Layers::of(&net).unwrap();
    let net = freeze(net, &layers, 1);
    let on = net
        .blocks
        .iter()
        .map(|block| block.dropout.training.val().is_enabled());
    assert_eq!(on.collect::<Vec<_>>(), [false, true, true]);
}

/// A language model that decodes with the weights of its embedding.
#[derive(Module, Debug)]
struct LanguageModel {
    embedding: Embedding,
    block: Linear,
    top: Linear,
}

impl LanguageModel {
    fn decode(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, length, width] = x.dims();
        let weight = self.embedding.weight.val().transpose();
        let logits = x.reshape([n * length, width]).matmul(weight);
        logits.reshape([n, length, 11])
    }

    fn encode(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        let x = self.embedding.forward(tokens).tap("embedding");
        let x = (x.clone() + relu(self.block.forward(x))).tap("block");
        self.top.forward(x).tap("top")
    }
}

#[test]
fn a_weight_that_is_used_again_above_its_layer_is_said_at_the_start() {
    let device = device();
    let net = LanguageModel {
        embedding: EmbeddingConfig::new(11, 6).init(&device),
        block: linear(6, 6),
        top: linear(6, 6),
    };
    let tokens: Vec<i32> = (0..200).map(|i| (i * 7 + i / 5) % 11).collect();
    let tokens = TensorData::new(tokens, [40, 5]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &Device::flex());
    let axes = frostline_activations::Axes::Tokens;
    let warnings = |probe: Probe<LanguageModel>| {
        let mut freezing = training(Layers::of(&net).unwrap(), probe.axes(axes), Never);
        freezing.start(&net).unwrap();
        freezing.history().checks()[0].warnings.join("\n")
    };
    let tied = "the parameters of `embedding` act on";
    // Where the decoder has no tap, its output shows it.
    let output = Probe::new(vec![tokens.clone()], |net: &LanguageModel, tokens| {
        net.decode(net.encode(tokens))
    });
    let found = warnings(output);
    assert!(
        found.contains(&format!("{tied} the output of the network")),
        "{found}"
    );
    let tapped = Probe::new(vec![tokens.clone()], |net: &LanguageModel, tokens| {
        net.decode(net.encode(tokens)).tap("logits");
    });
    let found = warnings(tapped);
    assert!(found.contains(&format!("{tied} `logits`")), "{found}");
    let plain = Probe::new(vec![tokens], |net: &LanguageModel, tokens| {
        net.encode(tokens)
    });
    assert!(!warnings(plain).contains(tied));
}

/// Two layers and a head, tapped as a test likes.
#[derive(Module, Debug)]
struct Small {
    layer1: Linear,
    layer2: Linear,
    head: Linear,
}

impl Small {
    fn new() -> Self {
        let net = Small {
            layer1: linear(4, 6),
            layer2: linear(6, 6),
            head: linear(6, 2),
        };
        let _drawn = net.valid();
        net
    }
}

#[test]
fn taps_on_the_wrong_layers_are_errors_that_name_them() {
    let net = Small::new();
    let layers = Layers::of(&net).unwrap();
    let wrong =
        |forward: fn(&Small, Tensor<2>) -> Tensor<2>| match begins(&net, layers.clone(), forward)
            .unwrap_err()
        {
            Error::TapElsewhere { layer, how } => {
                let error = Error::TapElsewhere {
                    layer: layer.clone(),
                    how,
                };
                (layer, error.to_string())
            }
            other => panic!("{other}"),
        };
    // Both taps behind the first layer, in the right order.
    let (layer, message) = wrong(|net, x| {
        let x = relu(net.layer1.forward(x)).tap("layer1").tap("layer2");
        net.head.forward(relu(net.layer2.forward(x))).tap("head")
    });
    assert_eq!(layer, "layer2");
    assert!(
        message.contains("`head`") && message.contains(".tap(\"layer2\")"),
        "{message}"
    );
    // Each tap in front of its layer.
    let (layer, _) = wrong(|net, x| {
        let x = relu(net.layer1.forward(x.tap("layer1")));
        let x = relu(net.layer2.forward(x.tap("layer2")));
        net.head.forward(x.tap("head"))
    });
    assert_eq!(layer, "layer1");
    // Names that were mixed up, so that the order is wrong only where the layers are looked at.
    let (layer, message) = wrong(|net, x| {
        let x = relu(net.layer1.forward(x));
        let x = relu(net.layer2.forward(x)).tap("layer1");
        net.head.forward(x.clone().tap("layer2")).tap("head");
        x
    });
    assert_eq!(layer, "layer2", "{message}");
    // Swapped names show in the order.
    let swapped = begins(&net, layers.clone(), |net: &Small, x| {
        let x = relu(net.layer1.forward(x)).tap("layer2");
        let x = relu(net.layer2.forward(x)).tap("layer1");
        net.head.forward(x).tap("head")
    });
    assert!(matches!(swapped, Err(Error::OrderDiffers { .. })));

    let probe = Probe::new(vec![inputs(60)], |net: &Small, x: Tensor<2>| {
        let x = relu(net.layer1.forward(x)).tap("layer1").tap("layer2");
        net.head.forward(relu(net.layer2.forward(x))).tap("head")
    });
    let mut trusting = training(layers, probe, Never).trusting_taps();
    trusting.start(&net).unwrap();
}

#[test]
fn taps_that_are_right_in_some_other_way_are_not_complained_about() {
    let net = Small::new();
    let layers = Layers::of(&net).unwrap();
    type Forward = fn(&Small, Tensor<2>) -> Tensor<2>;
    let quiet: [(&str, Forward); 4] = [
        ("what a tap returns is dropped", |net, x| {
            let x = relu(net.layer1.forward(x));
            x.clone().tap("layer1");
            let x = relu(net.layer2.forward(x));
            x.clone().tap("layer2");
            net.head.forward(x).tap("head")
        }),
        ("more taps than layers", |net, x| {
            let x = net.layer1.forward(x.tap("input")).tap("linear1");
            let x = relu(x).tap("layer1").tap("again");
            let x = net.layer2.forward(x).tap("layer2");
            net.head
                .forward(relu(x).tap("relu"))
                .tap("head")
                .tap("logits")
        }),
        ("a layer that runs three times", |net, x| {
            let mut x = relu(net.layer1.forward(x)).tap("layer1");
            for _ in 0..3 {
                x = relu(net.layer2.forward(x));
            }
            net.head.forward(x.tap("layer2")).tap("head")
        }),
        ("a skip from tap to tap", |net, x| {
            let x = relu(net.layer1.forward(x)).tap("layer1");
            let y = (net.layer2.forward(x.clone()) + x.clone()).tap("layer2");
            (net.head.forward(y) + x.slice([0..60, 0..2])).tap("head")
        }),
    ];
    for (what, forward) in quiet {
        assert_eq!(
            begins(&net, layers.clone(), forward).unwrap(),
            [""; 0],
            "{what}"
        );
    }
}

#[test]
fn a_schedule_for_more_layers_than_there_are_is_said_at_the_start() {
    let net = Small::new();
    let warnings = |at: &[f64]| {
        let probe = Probe::new(vec![inputs(60)], |net: &Small, x| {
            let x = net.layer1.forward(x).tap("layer1");
            net.head
                .forward(net.layer2.forward(x).tap("layer2"))
                .tap("head")
        });
        let policy = FreezeAt { at: at.to_vec() };
        let mut freezing = training(Layers::of(&net).unwrap(), probe, policy);
        freezing.start(&net).unwrap();
        let warnings = freezing.history().checks()[0].warnings.clone();
        warnings
            .into_iter()
            .filter(|warning| warning.contains("share"))
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings(&[0.4, 0.5]), [""; 0]);
    let found = warnings(&[0.4, 0.5, 0.6, 0.7]);
    assert!(
        found[0].contains("4 shares") && found[0].contains("the last 2 do nothing"),
        "{found:?}"
    );
    assert_eq!(
        warnings(&[0.4, 0.5, 0.6]).len(),
        1,
        "the last layer never freezes"
    );
}

#[test]
fn the_group_of_frozen_layers_is_what_freezing_switches_off() {
    let net = OneDropout::new();
    let layers = Layers::of(&net).unwrap();
    for count in 0..=3 {
        let by_group = net.clone().freeze_group(layers.lowest(count));
        let frozen = freeze(net.clone(), &layers, count);
        let state = |net: &OneDropout| {
            let linears = [&net.first, &net.second, &net.third, &net.head];
            let trains = linears.map(|linear| linear.weight.is_require_grad());
            (trains, net.dropout.training.val().is_enabled())
        };
        assert_eq!(state(&by_group), state(&frozen), "{count}");
    }
    let everything = ParamGroup::ids_from_module(net.first.clone());
    assert!(everything.matches(&net.first.weight.id, None));
}
