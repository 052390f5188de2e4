#include "backends/gloo_collectives.h"

#include <exception>
#include <numeric>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/activity.h"
#include "torch/csrc/distributed/c10d/ProcessGroupGloo.hpp"

namespace millrace {
namespace {

// Below this many bytes over all ranks an all-gather and a local sum cost half of Gloo's
// all-reduce, whose ring takes 2 (size - 1) steps whatever the length.
constexpr int64_t kGatherBytes = 1 << 20;

absl::Status Lost(std::string_view operation, int rank, int size, const char* reason) {
  return absl::UnavailableError(absl::StrCat("trainer group, rank ", rank, " of ", size, ": ",
                                             std::string(operation), " failed: ", reason));
}

class GlooCollectives : public Collectives {
 public:
  GlooCollectives(c10::intrusive_ptr<c10d::ProcessGroupGloo> group, int rank, int size)
      : rank_(rank), size_(size), group_(std::move(group)) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  absl::Status AllReduceSum(torch::Tensor& flat) override {
    const auto bytes = flat.numel() * static_cast<int64_t>(flat.element_size()) * size_;
    return Run("all-reduce", flat, [&](torch::Tensor& local) {
      if (bytes <= kGatherBytes) {
        GatherAndSum(local);
      } else {
        std::vector<torch::Tensor> tensors = {local};
        group_->allreduce(tensors)->wait();
      }
    });
  }

  absl::Status AllReduceMean(torch::Tensor& flat) override {
    absl::Status status = AllReduceSum(flat);
    if (status.ok()) flat.div_(size_);
    return status;
  }

  absl::Status AllGather(const torch::Tensor& own, torch::Tensor& all) override {
    return Run("all-gather", all, [&](torch::Tensor& local) {
      torch::Tensor flat = local.view(-1), input = own.cpu().contiguous().view(-1);
      group_->_allgather_base(flat, input)->wait();
    });
  }

  absl::Status AllToAll(const std::vector<torch::Tensor>& to,
                        std::vector<torch::Tensor>& from) override {
    return Run("all-to-all", [&] {
      std::vector<int64_t> sent, received;
      std::vector<torch::Tensor> parts;
      for (const torch::Tensor& tensor : to) {
        parts.push_back(AsBytes(tensor));
        sent.push_back(parts.back().numel());
      }
      for (const torch::Tensor& tensor : from) received.push_back(AsBytes(tensor).numel());
      torch::Tensor input = torch::cat(parts);
      torch::Tensor output = torch::empty(
          {std::accumulate(received.begin(), received.end(), int64_t{0})}, torch::kUInt8);
      group_->alltoall_base(output, input, received, sent)->wait();  // takes the counts
      int64_t begin = 0;
      for (const torch::Tensor& tensor : from) {
        const torch::Tensor bytes = AsBytes(tensor);
        bytes.copy_(output.narrow(0, begin, bytes.numel()));
        begin += bytes.numel();
      }
    });
  }

  absl::Status Broadcast(torch::Tensor& flat, int root) override {
    return Run("broadcast", flat, [&](torch::Tensor& local) {
      std::vector<torch::Tensor> tensors = {local};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      group_->broadcast(tensors, options)->wait();
    });
  }

  absl::Status Barrier() override {
    return Run("barrier", [&] { group_->barrier()->wait(); });
  }

 private:
  // The same memory.
  static torch::Tensor AsBytes(const torch::Tensor& tensor) {
    return tensor.numel() == 0 ? torch::empty({0}, torch::kUInt8)
                               : tensor.view(-1).view(torch::kUInt8);
  }

  // Works are temporaries of `operation`, gone before the group: whichever of them lives on keeps
  // the connections open, and the other survivors waiting.
  template <typename Operation>
  absl::Status Run(std::string_view name, Operation operation) {
    if (group_ == nullptr) return Lost(name, rank_, size_, "the group is finished");
    const ActivityScope exchange(Activity::kTrainCollectives);
    const torch::NoGradGuard no_gradient;
    try {
      operation();
      return absl::OkStatus();
    } catch (const std::exception& error) {
      group_.reset();
      return Lost(name, rank_, size_, error.what());
    }
  }

  // On a copy if the tensor is on another device: this group is the CPU's.
  template <typename Operation>
  absl::Status Run(std::string_view name, torch::Tensor& flat, Operation operation) {
    return Run(name, [&] {
      if (flat.is_cpu()) return operation(flat);
      torch::Tensor local = flat.cpu();
      operation(local);
      flat.copy_(local);
    });
  }

  void GatherAndSum(torch::Tensor& flat) {
    if (flat.numel() == 0) return;
    torch::Tensor input = flat.contiguous().view(-1);
    torch::Tensor gathered = torch::empty({size_ * input.numel()}, input.options());
    group_->_allgather_base(gathered, input)->wait();
    flat.copy_(gathered.view({size_, -1}).sum(0, false, flat.scalar_type()).view(flat.sizes()));
  }

  const int rank_;
  const int size_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;  // null once the group is finished
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collectives>> MakeGlooCollectives(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
    std::chrono::milliseconds timeout, const std::string& hostname) {
  try {
    auto options = c10d::ProcessGroupGloo::Options::create(timeout);
    options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(hostname)};
    auto group = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, std::move(options));
    return std::make_unique<GlooCollectives>(std::move(group), rank, size);
  } catch (const std::exception& error) {
    return Lost("joining", rank, size, error.what());
  }
}

}  // namespace millrace
