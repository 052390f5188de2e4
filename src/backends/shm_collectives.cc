#include "backends/shm_collectives.h"

#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/activity.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

template <typename T>
std::span<T> Numbers(const torch::Tensor& tensor) {
  return {tensor.data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

std::span<std::byte> Bytes(const torch::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

class ShmCollectives : public Collectives {
 public:
  explicit ShmCollectives(std::unique_ptr<ShmGroup> group) : group_(std::move(group)) {}

  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }

  absl::Status AllReduceSum(torch::Tensor& flat) override {
    return Run(flat, [this](const torch::Tensor& local) -> absl::Status {
      switch (local.scalar_type()) {
        case torch::kFloat32:
          return group_->AllReduceSum(Numbers<float>(local));
        case torch::kFloat64:
          return group_->AllReduceSum(Numbers<double>(local));
        case torch::kInt64:
          return group_->AllReduceSum(Numbers<int64_t>(local));
        case torch::kInt32:
          return group_->AllReduceSum(Numbers<int32_t>(local));
        case torch::kUInt8:
          return group_->AllReduceSum(Numbers<uint8_t>(local));
        default:
          return absl::InvalidArgumentError(
              absl::StrCat("all-reduce: expected float32, float64 or whole numbers, got ",
                           torch::toString(local.scalar_type())));
      }
    });
  }

  absl::Status AllReduceMean(torch::Tensor& flat) override {
    absl::Status status = AllReduceSum(flat);
    const torch::NoGradGuard no_gradient;
    if (status.ok()) flat.div_(size());
    return status;
  }

  absl::Status AllGather(const torch::Tensor& own, torch::Tensor& all) override {
    return Run(all, [&](const torch::Tensor& local) {
      const torch::Tensor input = own.cpu().contiguous();
      return group_->AllGather(Bytes(input), Bytes(local));
    });
  }

  absl::Status AllToAll(const std::vector<torch::Tensor>& to,
                        std::vector<torch::Tensor>& from) override {
    const ActivityScope exchange(Activity::kTrainCollectives);
    std::vector<ShmGroup::ConstBytes> sent;
    std::vector<ShmGroup::Bytes> received;
    for (const torch::Tensor& tensor : to) sent.push_back(Bytes(tensor));
    for (const torch::Tensor& tensor : from) received.push_back(Bytes(tensor));
    return group_->AllToAll(sent, received);
  }

  absl::Status Broadcast(torch::Tensor& flat, int root) override {
    return Run(flat,
               [&](const torch::Tensor& local) { return group_->Broadcast(Bytes(local), root); });
  }

  absl::Status Barrier() override {
    const ActivityScope exchange(Activity::kTrainCollectives);
    return group_->Barrier();
  }

 private:
  // On a copy if the tensor is on another device or lies in pieces.
  template <typename Operation>
  absl::Status Run(torch::Tensor& flat, Operation operation) {
    const ActivityScope exchange(Activity::kTrainCollectives);
    const torch::NoGradGuard no_gradient;
    if (flat.is_cpu() && flat.is_contiguous()) return operation(flat);
    const torch::Tensor local = flat.cpu().contiguous();
    MILLRACE_RETURN_IF_ERROR(operation(local));
    flat.copy_(local);
    return absl::OkStatus();
  }

  const std::unique_ptr<ShmGroup> group_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collectives>> MakeShmCollectives(const ShmGroupOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(auto group, ShmGroup::Join(options));
  return std::make_unique<ShmCollectives>(std::move(group));
}

}  // namespace millrace
