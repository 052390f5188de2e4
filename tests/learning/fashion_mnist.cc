// Trains a built-in model to tell the images of Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747)
// apart with a backend, and prints how well it does: one JSON object a line and epoch. What
// fashion_mnist.py runs, once for every seed and method.

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "backends/dense/dense_backend.h"
#include "backends/gloo_collectives.h"
#include "backends/nm_sparse/nm_sparse_backend.h"
#include "backends/single_rank_collectives.h"
#include "millrace/core/status.h"
#include "torch/csrc/distributed/c10d/TCPStore.hpp"

namespace millrace {
namespace {

constexpr int64_t kSide = 28, kClasses = 10;
constexpr int64_t kPatchSide = 7, kPatches = (kSide / kPatchSide) * (kSide / kPatchSide);

struct Settings {
  std::string images;  // a folder with the four files of the data set, unpacked
  std::string backend = "nm_sparse";
  std::vector<std::string> options;  // of the backend: KEY=VALUE
  std::string network = "mlp";
  int64_t width = 1;  // what all layers' widths are multiplied by
  int epochs = 10;
  int64_t batch = 128;
  int64_t iteration = 20;  // steps between two ends of a batch
  double learning_rate = 1e-3;
  int threads = 1;
  uint64_t seed = 1;
  int64_t steps = 0;  // of all epochs at most; 0: no limit
  // Of a group of ranks, each of which trains on its share of every batch; rank 0 prints.
  int rank = 0, ranks = 1;
  std::string address = "127.0.0.1";  // of this rank
  std::string store = "127.0.0.1";    // of rank 0
  int port = 29600;
};

uint32_t BigEndian(const std::string& bytes, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
  return number;
}

// The bytes of an IDX file: a magic number, sizes, data.
absl::StatusOr<torch::Tensor> ReadIdx(const std::string& path, uint32_t magic) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  const size_t dimensions = magic & 0xFF;
  if (bytes.size() < 4 * (1 + dimensions) || BigEndian(bytes, 0) != magic) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected an IDX file, magic ", magic));
  }
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < dimensions; ++i) sizes.push_back(BigEndian(bytes, 4 * (1 + i)));
  const torch::Tensor data = torch::from_blob(
      const_cast<char*>(bytes.data() + 4 * (1 + dimensions)), sizes, torch::kUInt8);
  if (data.numel() != static_cast<int64_t>(bytes.size() - 4 * (1 + dimensions))) {
    return absl::DataLossError(absl::StrCat(path, ": ends too early"));
  }
  return data.clone();
}

struct Images {
  torch::Tensor pixels;  // float32 [N, 28, 28], mean and deviation of the training images 0 and 1
  torch::Tensor labels;  // int64 [N]
};

absl::StatusOr<Images> ReadImages(const std::string& folder, const std::string& name) {
  MILLRACE_ASSIGN_OR_RETURN(const torch::Tensor pixels,
                            ReadIdx(folder + "/" + name + "-images-idx3-ubyte", 0x803));
  MILLRACE_ASSIGN_OR_RETURN(const torch::Tensor labels,
                            ReadIdx(folder + "/" + name + "-labels-idx1-ubyte", 0x801));
  constexpr double kMean = 0.2860, kDeviation = 0.3530;
  return Images{(pixels.to(torch::kFloat32) / 255 - kMean) / kDeviation, labels.to(torch::kLong)};
}

// KEY=VALUE; a value of several words is a list.
absl::StatusOr<Options> OptionsOf(const std::vector<std::string>& pairs) {
  Options options;
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("expected KEY=VALUE, got ", pair));
    }
    std::istringstream words(pair.substr(equals + 1));
    Options::Value value{.where = "command line"};
    for (std::string word; words >> word;) value.items.push_back(word);
    value.is_list = value.items.size() > 1;
    options.Set(pair.substr(0, equals), value);
  }
  return options;
}

// Networks of one trunk, and what they see of images [N, 28, 28].
class Network {
 public:
  Network(const std::string& name, int64_t width) {
    spec.activation = Activation::kRelu;
    spec.shared_trunk = true;
    spec.action = ActionSpec::Discrete(kClasses);
    spec.observation.fields = {{"image", DType::kFloat32, {kSide, kSide}}};
    spec.hidden = {512, 512, 512};
    if (name == "cnn") {
      spec.type = "cnn";
      spec.observation.fields[0].shape.push_back(1);
      spec.convolution = {.images = {"image"}, .filters = {{32, 3, 2}, {64, 3, 2}, {64, 3, 1}}};
      spec.hidden = {128};
    }
    if (name == "attention") {
      spec.type = "entity_attention";
      spec.observation.fields = {
          {"patches", DType::kFloat32, {kPatches, kPatchSide * kPatchSide + 2}},
          {"one", DType::kFloat32, {1}}};
      spec.entity.sets = {{"patches"}};
      spec.entity.embedding = 64;
      spec.entity.layers = 2;
      spec.hidden = {128};
    }
    for (int64_t& size : spec.hidden) size *= width;
    for (ConvolutionSpec::Layer& filters : spec.convolution.filters) filters.channels *= width;
    spec.entity.embedding *= width;
  }

  TensorDict Observe(const torch::Tensor& pixels) const {
    const int64_t rows = pixels.size(0);
    if (spec.type == "cnn") return {{"observation/image", pixels.unsqueeze(-1)}};
    if (spec.type == "mlp") return {{"observation/image", pixels}};
    const torch::Tensor patches = pixels.unfold(1, kPatchSide, kPatchSide)
                                      .unfold(2, kPatchSide, kPatchSide)
                                      .reshape({rows, kPatches, -1});
    // Where they are: entities of a set have no order.
    const torch::Tensor place = torch::linspace(-1, 1, kSide / kPatchSide);
    const torch::Tensor places =
        torch::stack(torch::meshgrid({place, place}, "ij"), -1).view({1, kPatches, 2});
    return {{"observation/patches", torch::cat({patches, places.expand({rows, kPatches, 2})}, -1)},
            {"observation/one", torch::ones({rows, 1})}};
  }

  ModelSpec spec;
};

absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const Settings& settings,
                                                     const ModelSpec& spec) {
  MILLRACE_ASSIGN_OR_RETURN(auto policy, MakePolicy(spec, settings.seed));
  MILLRACE_ASSIGN_OR_RETURN(const Options options, OptionsOf(settings.options));
  if (settings.backend == "dense") return MakeDenseBackend(options, std::move(policy));
  return MakeNmSparseBackend(options, std::move(policy));
}

absl::StatusOr<std::unique_ptr<Collectives>> MakeGroup(const Settings& settings) {
  if (settings.ranks == 1) return MakeSingleRankCollectives();
  constexpr auto kTimeout = std::chrono::seconds(60);
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(settings.port);
  options.isServer = settings.rank == 0;
  options.timeout = kTimeout;
  return MakeGlooCollectives(c10::make_intrusive<c10d::TCPStore>(settings.store, options),
                             settings.rank, settings.ranks, kTimeout, settings.address);
}

class Training {
 public:
  Training(const Settings& settings, std::unique_ptr<Backend> backend,
           std::unique_ptr<Collectives> group, Images train, Images test)
      : settings_(settings),
        network_(settings.network, settings.width),
        backend_(std::move(backend)),
        group_(std::move(group)),
        train_(std::move(train)),
        test_(std::move(test)),
        steps_(settings.epochs * (train_.labels.size(0) / settings.batch)) {}

  bool done() const { return step_ == steps_ || (settings_.steps > 0 && step_ == settings_.steps); }

  absl::Status Epoch() {
    const torch::Tensor order = torch::randperm(train_.labels.size(0));
    loss_sum_ = 0;
    numbers_.clear();
    const int64_t steps = train_.labels.size(0) / settings_.batch;
    const int64_t share = settings_.batch / settings_.ranks;
    int64_t taken = 0;
    for (; taken < steps && !done(); ++taken) {
      const int64_t begin = taken * settings_.batch + settings_.rank * share;
      MILLRACE_RETURN_IF_ERROR(Step(order.narrow(0, begin, share)));
    }
    loss_sum_ /= static_cast<double>(taken);
    ++epoch_;
    return absl::OkStatus();
  }

  absl::StatusOr<nlohmann::json> Report() {
    MILLRACE_ASSIGN_OR_RETURN(const double accuracy, Accuracy());
    nlohmann::json report = {{"epoch", epoch_},
                             {"steps", step_},
                             {"loss", loss_sum_},
                             {"test_accuracy", accuracy},
                             {"seconds", seconds_}};
    for (const auto& [name, sum_and_count] : numbers_) {
      report[name] = sum_and_count.first / static_cast<double>(sum_and_count.second);
    }
    return report;
  }

 private:
  absl::Status Step(const torch::Tensor& which) {
    const TensorDict minibatch = network_.Observe(train_.pixels.index_select(0, which));
    const auto begin = std::chrono::steady_clock::now();
    MILLRACE_ASSIGN_OR_RETURN(const HeadOutputs heads, backend_->Forward(minibatch));
    const torch::Tensor loss =
        torch::cross_entropy_loss(heads.logits, train_.labels.index_select(0, which));
    loss.backward();
    MILLRACE_RETURN_IF_ERROR(backend_->Backward(heads));
    // Half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983).
    const double progress = static_cast<double>(step_) / static_cast<double>(steps_);
    const double rate = 0.5 * settings_.learning_rate * (1 + std::cos(std::numbers::pi * progress));
    MILLRACE_ASSIGN_OR_RETURN(
        const StepReport report,
        backend_->Step({.learning_rate = rate, .max_gradient_norm = 0, .epsilon = 1e-8}, *group_));
    if (report.skipped) return absl::InternalError("the loss diverged");
    if (++step_ % settings_.iteration == 0) {
      MILLRACE_ASSIGN_OR_RETURN(
          const auto numbers,
          backend_->EndBatch({.progress = progress, .sample = [&](int64_t) { return minibatch; }}));
      for (const auto& [name, value] : numbers) {
        numbers_[name].first += value;
        ++numbers_[name].second;
      }
    }
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    loss_sum_ += loss.item<double>();
    return absl::OkStatus();
  }

  absl::StatusOr<double> Accuracy() {
    constexpr int64_t kAtOnce = 1000;
    int64_t right = 0;
    for (int64_t begin = 0; begin < test_.labels.size(0); begin += kAtOnce) {
      MILLRACE_ASSIGN_OR_RETURN(
          const HeadOutputs heads,
          backend_->Evaluate(network_.Observe(test_.pixels.narrow(0, begin, kAtOnce))));
      right +=
          heads.logits.argmax(-1).eq(test_.labels.narrow(0, begin, kAtOnce)).sum().item<int64_t>();
    }
    return static_cast<double>(right) / static_cast<double>(test_.labels.size(0));
  }

  const Settings& settings_;
  const Network network_;
  const std::unique_ptr<Backend> backend_;
  const std::unique_ptr<Collectives> group_;
  const Images train_, test_;
  const int64_t steps_;  // of all epochs
  int64_t step_ = 0;
  int epoch_ = 0;
  double loss_sum_ = 0, seconds_ = 0;
  std::map<std::string, std::pair<double, int>> numbers_;  // of Backend::EndBatch(), summed
};

absl::Status Run(const Settings& settings) {
  at::set_num_threads(settings.threads);
  torch::manual_seed(settings.seed);
  MILLRACE_ASSIGN_OR_RETURN(Images train, ReadImages(settings.images, "train"));
  MILLRACE_ASSIGN_OR_RETURN(Images test, ReadImages(settings.images, "t10k"));
  MILLRACE_ASSIGN_OR_RETURN(auto backend,
                            MakeBackend(settings, Network(settings.network, settings.width).spec));
  MILLRACE_ASSIGN_OR_RETURN(auto group, MakeGroup(settings));
  Training training(settings, std::move(backend), std::move(group), std::move(train),
                    std::move(test));
  while (!training.done()) {
    MILLRACE_RETURN_IF_ERROR(training.Epoch());
    if (settings.rank > 0) continue;
    MILLRACE_ASSIGN_OR_RETURN(const nlohmann::json report, training.Report());
    std::cout << report.dump() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Settings settings;
  CLI::App app("Accuracy of a backend on Fashion-MNIST.");
  app.add_option("images", settings.images, "folder with the four unpacked files")->required();
  app.add_option("--backend", settings.backend)
      ->check(CLI::IsMember({"dense", "nm_sparse"}))
      ->capture_default_str();
  app.add_option("--set", settings.options, "KEY=VALUE of the backend's options");
  app.add_option("--network", settings.network)
      ->check(CLI::IsMember({"mlp", "cnn", "attention"}))
      ->capture_default_str();
  app.add_option("--width", settings.width, "what all layers' widths are multiplied by")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--epochs", settings.epochs)->capture_default_str();
  app.add_option("--batch", settings.batch)->capture_default_str();
  app.add_option("--iteration", settings.iteration,
                 "steps that refresh: per_iteration counts as one")
      ->capture_default_str();
  app.add_option("--learning-rate", settings.learning_rate)->capture_default_str();
  app.add_option("--threads", settings.threads)->capture_default_str();
  app.add_option("--seed", settings.seed)->capture_default_str();
  app.add_option("--steps", settings.steps, "of all epochs at most");
  app.add_option("--rank", settings.rank, "of --ranks, which share every batch");
  app.add_option("--ranks", settings.ranks)->capture_default_str();
  app.add_option("--address", settings.address, "of this rank, for its peers")
      ->capture_default_str();
  app.add_option("--store", settings.store, "the address of rank 0")->capture_default_str();
  app.add_option("--port", settings.port, "of rank 0")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::warn);  // standard output is for the reports
  const absl::Status status = millrace::Run(settings);
  if (!status.ok()) std::cerr << "fashion_mnist: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
