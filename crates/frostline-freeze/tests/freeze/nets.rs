//! A network with everything that can move while it should be frozen, and a loop that trains it.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use frostline_activations::Tap;
use frostline_freeze::{
    CheckpointSchedule, Features, FreezePolicy, FreezeTraining, Layered, Layers, Length, Probe,
    Step,
};

/// Linear map, batch norm, rectifier and dropout.
#[derive(Module, Debug)]
pub(crate) struct Block {
    linear: Linear,
    norm: BatchNorm,
    dropout: Dropout,
}

impl Block {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        Block {
            linear: LinearConfig::new(inputs, outputs).init(device),
            norm: BatchNormConfig::new(outputs).init(device),
            dropout: DropoutConfig::new(0.2).init(),
        }
    }

    pub(crate) fn weight(&self) -> Tensor<2> {
        self.linear.weight.val()
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.norm.forward(self.linear.forward(x));
        self.dropout.forward(burn::tensor::activation::relu(x))
    }
}

/// Three blocks and a head.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub(crate) block1: Block,
    pub(crate) block2: Block,
    pub(crate) block3: Block,
    pub(crate) head: Linear,
}

pub(crate) const INPUTS: usize = 6;

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        let device = Device::flex().autodiff();
        device.seed(seed);
        let net = Net {
            block1: Block::new(INPUTS, 8, &device),
            block2: Block::new(8, 7, &device),
            block3: Block::new(7, 5, &device),
            head: LinearConfig::new(5, 3).init(&device),
        };
        // Weights are drawn when they are first asked for: ask before anything else is drawn.
        values(&net);
        net
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.run(0..self.depth(), Features::new(x)).tensor()
    }
}

impl Layered for Net {
    fn depth(&self) -> usize {
        4
    }

    fn run(&self, layers: std::ops::Range<usize>, x: Features) -> Features {
        layers.fold(x, |x, layer| {
            let x = x.tensor();
            Features::new(match layer {
                0 => self.block1.forward(x).tap("block1"),
                1 => self.block2.forward(x).tap("block2"),
                2 => self.block3.forward(x).tap("block3"),
                _ => self.head.forward(x).tap("head"),
            })
        })
    }
}

/// Standard normal samples.
pub(crate) fn samples(count: usize, seed: u64, device: &Device) -> Tensor<2> {
    device.seed(seed);
    Tensor::random([count, INPUTS], Distribution::Normal(0.0, 1.0), device)
}

/// Rows of the data, on the device that trains.
pub(crate) fn rows(data: &Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let indices: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let indices =
        Tensor::<1, Int>::from_data(TensorData::new(indices, [rows.len()]), &Device::flex());
    Tensor::from_inner(data.clone().select(0, indices))
}

/// One step towards sums of the inputs, on samples of this seed.
pub(crate) fn train_step(net: Net, optimizer: &mut ModuleOptimizer, seed: u64) -> Net {
    let gradients = gradients(&net, seed);
    optimizer.step(0.05, net, gradients)
}

pub(crate) fn gradients(net: &Net, seed: u64) -> GradientsParams {
    let device = Device::flex().autodiff();
    let x = samples(16, seed, &device);
    let wanted = x.clone().slice([0..16, 0..3]) + x.clone().slice([0..16, 3..6]);
    let loss = (net.forward(x) - wanted).powf_scalar(2.0).mean();
    GradientsParams::from_grads(loss.backward(), net)
}

/// Every float of a module, running statistics included, with its path.
pub(crate) fn values<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    #[derive(Default)]
    struct Values {
        path: Vec<String>,
        values: Vec<(String, TensorData)>,
    }
    impl ModuleVisitor for Values {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.values
                .push((self.path.join("."), param.val().into_data()));
        }
    }
    let mut visitor = Values::default();
    module.valid().visit(&mut visitor);
    visitor.values
}

/// The ids of a module's float parameters that have a gradient.
pub(crate) fn with_gradient<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<ParamId> {
    struct Found<'a> {
        gradients: &'a GradientsParams,
        ids: Vec<ParamId>,
    }
    impl ModuleVisitor for Found<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.gradients.get::<D>(param.id).is_some() {
                self.ids.push(param.id);
            }
        }
    }
    let mut visitor = Found {
        gradients,
        ids: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.ids
}

pub(crate) const STEPS: usize = 40;

pub(crate) fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

pub(crate) fn freezing(net: &Net, policy: impl FreezePolicy + 'static) -> FreezeTraining<Net> {
    let probe = Probe::new(vec![samples(60, 99, &Device::flex()); 2], Net::forward);
    FreezeTraining::new(
        Layers::of(net).unwrap(),
        probe,
        policy,
        Length::epochs(4, STEPS / 4),
    )
    .checking(CheckpointSchedule::EverySteps(5))
}

/// Trains to the end and gives the network back.
pub(crate) fn run(mut net: Net, freezing: &mut FreezeTraining<Net>) -> Net {
    let mut optimizer = optimizer();
    freezing.start(&net).unwrap();
    for step in 1..=STEPS {
        net = train_step(net, &mut optimizer, step as u64);
        let told = Step {
            learning_rate: Some(0.05),
            loss: Some(step as f64),
            accuracy: (step % 10 == 0).then_some(0.5),
            ..Step::from(step)
        };
        freezing.after_step(&mut net, told).unwrap();
    }
    net
}
