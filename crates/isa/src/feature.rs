//! The list of WebAssembly features; command line, configuration and `inspect` derive from it.
//! Not here: which feature a module construct needs, which `table` and `module` know.

/// The edition of the core specification that first contains a feature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Standard {
    /// WebAssembly 1.0.
    Wasm1,
    /// WebAssembly 2.0.
    Wasm2,
    /// WebAssembly 3.0.
    Wasm3,
    /// A proposal in no edition yet.
    Proposal,
}

macro_rules! define_features {
    ($($(#[doc = $doc:literal])* $feature:ident, $name:literal, $standard:ident, $default:ident;)*) => {
        /// A feature that can be switched on or off.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Feature {
            $($(#[doc = $doc])* $feature,)*
        }

        impl Feature {
            /// Every feature, in table order.
            pub const ALL: &[Feature] = &[$(Feature::$feature),*];

            /// The name on the command line and in reports, `relaxed-simd` for example.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$feature => $name,)*
                }
            }

            /// The first edition of the specification that contains it.
            pub const fn standard(self) -> Standard {
                match self {
                    $(Self::$feature => Standard::$standard,)*
                }
            }

            /// Whether it is on unless configured otherwise.
            pub const fn is_default(self) -> bool {
                match self {
                    $(Self::$feature => define_features!(@ $default),)*
                }
            }

            /// One sentence for help texts.
            pub const fn summary(self) -> &'static str {
                match self {
                    $(Self::$feature => concat!($($doc),*),)*
                }
            }
        }
    };
    (@ on) => { true };
    (@ off) => { false };
}

// Off by default: proposals that are still moving, and what the tiers do not carry out yet.
define_features! {
    /// The operators of WebAssembly 1.0.
    Mvp, "mvp", Wasm1, on;
    /// Import and export of mutable globals.
    MutableGlobal, "mutable-global", Wasm1, on;
    /// Sign-extension operators.
    SignExtension, "sign-extension", Wasm2, on;
    /// Saturating float to integer conversions.
    SaturatingFloatToInt, "saturating-float-to-int", Wasm2, on;
    /// Several results, and parameters of blocks.
    MultiValue, "multi-value", Wasm2, on;
    /// Bulk memory and table operators, passive segments.
    BulkMemory, "bulk-memory", Wasm2, on;
    /// Reference values, several tables.
    ReferenceTypes, "reference-types", Wasm2, on;
    /// 128-bit vectors.
    Simd, "simd", Wasm2, on;
    /// Vector operators whose results may differ between machines.
    RelaxedSimd, "relaxed-simd", Wasm3, on;
    /// Arithmetic in constant expressions.
    ExtendedConst, "extended-const", Wasm3, on;
    /// Tail calls.
    TailCall, "tail-call", Wasm3, on;
    /// Several memories.
    MultiMemory, "multi-memory", Wasm3, on;
    /// 64-bit memories and tables.
    Memory64, "memory64", Wasm3, on;
    /// Typed function references.
    FunctionReferences, "function-references", Wasm3, on;
    /// Garbage-collected structs and arrays.
    Gc, "gc", Wasm3, on;
    /// Exceptions.
    Exceptions, "exceptions", Wasm3, on;
    /// Exceptions in the form before WebAssembly 3.0.
    LegacyExceptions, "legacy-exceptions", Proposal, on;
    /// Shared memories and atomic operators.
    Threads, "threads", Proposal, on;
    /// 128-bit integer arithmetic on pairs.
    WideArithmetic, "wide-arithmetic", Proposal, on;
    /// Memories whose pages have one byte.
    CustomPageSizes, "custom-page-sizes", Proposal, on;
    /// Imports that name their module, or their type, once for several.
    CompactImports, "compact-imports", Proposal, on;
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Feature {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|feature| feature.name() == name);
        found.ok_or_else(|| format!("unknown WebAssembly feature `{name}`"))
    }
}

/// A set of features.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeatureSet(u32);

impl FeatureSet {
    /// No feature.
    pub const EMPTY: Self = Self(0);
    /// Every feature that exists.
    pub const ALL: Self = Self((1 << Feature::ALL.len()) - 1);
    /// WebAssembly 1.0.
    pub const WASM1: Self = Self::up_to(Standard::Wasm1);
    /// WebAssembly 2.0.
    pub const WASM2: Self = Self::up_to(Standard::Wasm2);
    /// WebAssembly 3.0.
    pub const WASM3: Self = Self::up_to(Standard::Wasm3);
    /// What is on unless configured otherwise.
    pub const DEFAULT: Self = {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < Feature::ALL.len() {
            if Feature::ALL[i].is_default() {
                set = set.with(Feature::ALL[i]);
            }
            i += 1;
        }
        set
    };

    /// All features of an edition and of those before it.
    pub const fn up_to(standard: Standard) -> Self {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < Feature::ALL.len() {
            if Feature::ALL[i].standard() as u8 <= standard as u8 {
                set = set.with(Feature::ALL[i]);
            }
            i += 1;
        }
        set
    }

    /// This set and one more feature.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    /// This set without one feature.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u8))
    }

    /// The features of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The features of this set that the other lacks.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Adds one feature.
    pub const fn insert(&mut self, feature: Feature) {
        *self = self.with(feature);
    }

    /// Switches one feature on or off.
    pub const fn set(&mut self, feature: Feature, on: bool) {
        *self = if on { self.with(feature) } else { self.without(feature) };
    }

    /// Whether the feature is in the set.
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u8 != 0
    }

    /// Whether every feature of the other set is in this one.
    pub const fn is_superset(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether no feature is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as bits, one a feature in table order; stable within a version only.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The features of the set in table order.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.iter().copied().filter(move |&feature| self.contains(feature))
    }
}

impl Default for FeatureSet {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromIterator<Feature> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl std::fmt::Display for FeatureSet {
    /// The names with commas between them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, feature) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(feature.name())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for FeatureSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Feature, FeatureSet};

    #[test]
    fn names_round_trip_and_editions_nest() {
        for &feature in Feature::ALL {
            assert_eq!(feature.name().parse(), Ok(feature));
        }
        assert!("simd2".parse::<Feature>().is_err());
        assert!(FeatureSet::WASM2.is_superset(FeatureSet::WASM1));
        assert!(FeatureSet::WASM3.contains(Feature::RelaxedSimd));
        assert!(!FeatureSet::WASM2.contains(Feature::RelaxedSimd));
        assert!(!FeatureSet::WASM3.contains(Feature::Threads));
        assert_eq!(FeatureSet::ALL.iter().count(), Feature::ALL.len());
        assert_eq!(FeatureSet::ALL.iter().collect::<FeatureSet>(), FeatureSet::ALL);
    }

    #[test]
    fn display_lists_names() {
        let set = FeatureSet::EMPTY.with(Feature::Simd).with(Feature::Mvp);
        assert_eq!(set.to_string(), "mvp, simd");
    }
}
