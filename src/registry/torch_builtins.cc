#include "algorithms/binary_classification.h"
#include "algorithms/ppo.h"
#include "algorithms/vtrace.h"
#include "backends/dense/dense_backend.h"
#include "backends/dlrm/dlrm_backend.h"
#include "backends/nm_sparse/nm_sparse_backend.h"
#include "millrace/registry/torch_registry.h"
#include "models/dlrm_policy.h"
#include "models/slate_policy.h"

namespace millrace {

TorchRegistry BuiltinTorchRegistry() {
  TorchRegistry registry;
  RegisterBuiltins(registry);
  registry.AddAlgorithm("ppo", MakePpo, "proximal policy optimisation (Schulman et al. 2017)");
  registry.AddAlgorithm("vtrace", MakeVtrace,
                        "IMPALA: actor-critic with V-trace targets (Espeholt et al. 2018)");
  registry.AddAlgorithm("binary_classification", MakeBinaryClassification,
                        "supervised: cross-entropy against the labels of a dataset");
  registry.AddModel(DlrmPolicy::kType, MakeDlrmPolicy,
                    "embedding tables, dense features, products of pairs (Naumov et al. 2019) or "
                    "DCNv2");
  registry.AddModel(SlatePolicy::kType, MakeSlatePolicy,
                    "recommends slates: embedding tables, products of pairs, a score of each "
                    "candidate");
  registry.AddBackend("dense", MakeDenseBackend, "LibTorch on CPU; what `auto` chooses");
  registry.AddBackend("native", MakeNativeBackend,
                      "our own kernels for the built-in mlp and lstm, LibTorch for the rest");
  registry.AddBackend(Sparsity::kBackend, MakeNmSparseBackend,
                      "N:M-sparse forward and backward passes of the built-in mlp (BDWP)");
  registry.AddBackend(kDlrmBackend, MakeDlrmBackend,
                      "embedding tables beside LibTorch, updated row by row");
  return registry;
}

}  // namespace millrace
