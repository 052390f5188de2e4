#include "inference/native_trunk.h"

#include "inference/cnn_trunk.h"
#include "inference/entity_trunk.h"
#include "inference/mlp_trunk.h"

namespace millrace {

std::unique_ptr<NativeTrunk> MakeNativeTrunk(const ModelSpec& spec, Network network,
                                             const kernels::KernelSet& kernels) {
  if (spec.type == "entity_attention") return std::make_unique<EntityTrunk>(spec, network, kernels);
  if (spec.type == "cnn") return std::make_unique<CnnTrunk>(spec, kernels);
  return std::make_unique<MlpTrunk>(spec, network, kernels);
}

}  // namespace millrace
