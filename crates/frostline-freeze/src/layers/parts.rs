use burn::module::{Flag, Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

/// A tensor or a training flag of a model.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its path, dots between.
    pub(crate) path: String,
    pub(crate) id: ParamId,
    /// Of a tensor.
    pub(crate) shape: Vec<usize>,
    pub(crate) is_tensor: bool,
    /// Which of the names on the path are numbers in a sequence.
    in_sequence: Vec<bool>,
}

impl Part {
    pub(crate) fn lies_in(&self, path: &str) -> bool {
        lies_at_or_below(&self.path, path)
    }

    /// The path of the field that it is in, so many names down from the model, or of the element of a field that is a
    /// sequence. A field on the way to an opened path, or at it, is entered.
    pub(super) fn field(&self, above: usize, opened: &[&str]) -> Option<String> {
        let names: Vec<&str> = self.path.split('.').collect();
        if names.len() <= above {
            return None;
        }
        let mut depth = above;
        loop {
            depth += match self.in_sequence.get(depth + 1) {
                Some(true) => 2,
                _ => 1,
            };
            let depth = depth.min(names.len());
            let field = names[..depth].join(".");
            let is_opened = opened.iter().any(|path| lies_at_or_below(path, &field));
            if !is_opened || depth == names.len() {
                return Some(field);
            }
        }
    }
}

/// `conv1` holds `conv1` and `conv1.weight`, but not `conv10.weight`; the empty path holds everything.
pub(super) fn lies_at_or_below(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    above.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// All tensors and flags of a model, in the order in which it is visited.
pub(crate) fn parts<M: Module>(model: &M) -> Vec<Part> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.parts
}

/// Walks the model and notes each tensor and flag with its path.
#[derive(Default)]
struct Collector {
    /// Names and kinds of the containers around the current place.
    stack: Vec<(String, String)>,
    parts: Vec<Part>,
}

impl Collector {
    fn add(&mut self, id: ParamId, shape: Option<Vec<usize>>) {
        let names: Vec<&str> = self.stack.iter().map(|(name, _)| name.as_str()).collect();
        let kinds = self.stack.iter().map(|(_, kind)| kind.as_str());
        let in_sequence = kinds.map(|kind| matches!(kind, "Vec" | "Array" | "Tuple"));
        self.parts.push(Part {
            path: names.join("."),
            in_sequence: in_sequence.collect(),
            id,
            is_tensor: shape.is_some(),
            shape: shape.unwrap_or_default(),
        });
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.stack
            .push((name.to_string(), container_type.to_string()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.stack.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.id, Some(param.lazy_shape().to_vec()));
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.add(flag.id, None);
    }
}
