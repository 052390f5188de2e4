#include "backends/dlrm/slices.h"

#include <utility>
#include <vector>

#include "millrace/core/status.h"

namespace millrace {
namespace {

// Numbers of a slice lie where LibTorch puts them: the bits of its products may depend on that.
TensorDict SliceOf(const TensorDict& minibatch, int64_t slice, int64_t slices) {
  TensorDict part;
  for (const auto& [name, tensor] : minibatch) {
    const int64_t size = tensor.size(0) / slices;
    part[name] = tensor.narrow(0, slice * size, size).clone();
  }
  return part;
}

torch::Tensor Joined(const std::vector<HeadOutputs>& heads, torch::Tensor HeadOutputs::*head) {
  std::vector<torch::Tensor> parts;
  for (const HeadOutputs& of_slice : heads) parts.push_back(of_slice.*head);
  return parts.front().defined() ? torch::cat(parts) : torch::Tensor();
}

}  // namespace

HeadOutputs SlicedEvaluator::Forward(const TensorDict& minibatch) {
  const torch::AutoGradMode with_gradient(true);
  outputs_.clear();
  for (int64_t slice = 0; slice < slices_; ++slice) {
    outputs_.push_back(ForwardOf(*policy_, SliceOf(minibatch, slice, slices_)));
  }
  HeadOutputs heads;
  heads.logits = Joined(outputs_, &HeadOutputs::logits);
  return AsLeaves(heads);
}

void SlicedEvaluator::Backward(const HeadOutputs& heads) {
  torch::Tensor& gradients = parameters_.gradients();
  gradients_ = torch::empty({slices_, gradients.numel()});
  torch::Tensor of_heads = GradientOf(heads.logits);
  if (ranks_ > 1) of_heads = of_heads / ranks_;
  for (int64_t slice = 0; slice < slices_; ++slice) {
    gradients.zero_();
    const torch::Tensor& logits = outputs_[static_cast<size_t>(slice)].logits;
    const int64_t size = logits.size(0);
    torch::autograd::backward({logits}, {of_heads.narrow(0, slice * size, size).clone()});
    gradients_[slice].copy_(gradients);
  }
  outputs_.clear();
}

absl::Status SumSlices(const torch::Tensor& of_slices, torch::Tensor& sum, Collectives& group) {
  const torch::NoGradGuard no_gradient;
  const auto add = [](const torch::Tensor& slices, torch::Tensor& to) {
    to.copy_(slices[0]);
    for (int64_t slice = 1; slice < slices.size(0); ++slice) to.add_(slices[slice]);
  };
  if (group.size() == 1) {
    add(of_slices, sum);
    return absl::OkStatus();
  }
  // Every rank adds its share of the numbers.
  const int64_t share = (sum.numel() + group.size() - 1) / group.size();
  const int64_t slices = of_slices.size(0);
  const torch::Tensor padded =
      torch::constant_pad_nd(of_slices, {0, share * group.size() - sum.numel()});
  std::vector<torch::Tensor> to, from;
  for (int rank = 0; rank < group.size(); ++rank) {
    to.push_back(padded.narrow(1, rank * share, share).contiguous());
    from.push_back(torch::empty({slices, share}));
  }
  MILLRACE_RETURN_IF_ERROR(group.AllToAll(to, from));
  torch::Tensor own = torch::empty({share}), all = torch::empty({group.size(), share});
  add(torch::cat(from), own);
  MILLRACE_RETURN_IF_ERROR(group.AllGather(own, all));
  sum.copy_(all.flatten().narrow(0, 0, sum.numel()));
  return absl::OkStatus();
}

}  // namespace millrace
