#include "workers/trainer/batch_memory.h"

#include <utility>
#include <vector>

#include "models/torch_dtype.h"

namespace millrace {

TensorDict TensorsOver(const SampleBatch& batch) {
  TensorDict tensors;
  for (const auto& [name, field] : batch.fields) {
    tensors[name] = torch::from_blob(const_cast<std::byte*>(field.bytes.data()), field.shape,
                                     ToTorch(field.dtype));
  }
  if (auto version = tensors.find("version"); version != tensors.end()) {
    const int64_t segments = version->second.size(1);
    version->second = version->second.repeat_interleave(batch.columns() / segments, 1);
  }
  return tensors;
}

void BatchMemory::Add(SampleBatch& batch) {
  batches_.push_front({.epoch = batch.epoch,
                       .number = batch.number,
                       .segments = {},
                       .fields = std::move(batch.fields),
                       .version_min = batch.version_min});
  if (batches_.size() > capacity_) batches_.pop_back();
}

TensorDict BatchMemory::SideBySide() const {
  std::map<std::string, std::vector<torch::Tensor>> parts;
  for (const SampleBatch& batch : batches_) {
    for (const auto& [name, tensor] : TensorsOver(batch)) parts[name].push_back(tensor);
  }
  TensorDict tensors;
  for (const auto& [name, tensor] : parts) tensors[name] = torch::cat(tensor, /*dim=*/1);
  return tensors;
}

}  // namespace millrace
