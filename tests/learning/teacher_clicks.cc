// Trains DLRM (Naumov et al. 2019, arXiv:1906.00091) on TeacherCTR-8 with our embedding tables and
// prints how well it tells clicks that it was not trained on: one JSON object a line.

#include "clicks/teacher_clicks.h"

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "clicks/click_metrics.h"
#include "embedding/embedding_bags.h"
#include "millrace/core/status.h"
#include "models/dlrm_network.h"

namespace millrace {
namespace {

using clicks::TeacherClicks;
using torch::Tensor;

struct Settings {
  int64_t samples = 2'000'000, batch = 1024, report = 250'000;
  int64_t columns = 16;
  double table_rate = 0.1, dense_rate = 0.02;
  std::string rows = "float32";  // float16, bfloat16: rounded stochastically unless `nearest`
  bool nearest = false;
  int threads = 1;
  uint64_t seed = 1;
};

// Samples that are not trained on.
constexpr int64_t kHeldOut = int64_t{1} << 40, kHeldOutSamples = 200'000;

absl::StatusOr<std::unique_ptr<embedding::EmbeddingBags>> MakeBags(const Settings& settings) {
  std::vector<embedding::EmbeddingTable> tables;
  std::vector<embedding::Feature> features;
  for (size_t t = 0; t < TeacherClicks::kRows.size(); ++t) {
    const std::string name = "feature_" + std::to_string(t);
    const embedding::RowType type = settings.rows == "float16"    ? embedding::RowType::kFloat16
                                    : settings.rows == "bfloat16" ? embedding::RowType::kBfloat16
                                                                  : embedding::RowType::kFloat32;
    MILLRACE_ASSIGN_OR_RETURN(auto table,
                              embedding::EmbeddingTable::Create({.name = name,
                                                                 .rows = TeacherClicks::kRows[t],
                                                                 .columns = settings.columns,
                                                                 .type = type},
                                                                settings.seed));
    tables.push_back(std::move(table));
    features.push_back({.name = name, .table = static_cast<int>(t)});
  }
  return embedding::EmbeddingBags::Create(std::move(tables), std::move(features), settings.threads);
}

class Training {
 public:
  Training(const Settings& settings, std::unique_ptr<embedding::EmbeddingBags> bags)
      : settings_(settings),
        bags_(std::move(bags)),
        network_({.dense = TeacherClicks::kDense,
                  .bags = std::ssize(TeacherClicks::kRows),
                  .columns = settings.columns,
                  .bottom = {64},
                  .top = {128, 64}},
                 settings.seed),
        optimizer_(network_.parameters(), torch::optim::AdagradOptions(settings.dense_rate)) {}

  absl::Status Step() {
    teacher_.Read(trained_, settings_.batch, batch_);
    const auto begin = std::chrono::steady_clock::now();
    MILLRACE_ASSIGN_OR_RETURN(Tensor bags, Bags());
    bags.set_requires_grad(true);
    const Tensor labels = torch::from_blob(batch_.labels.data(), {batch_.samples});
    const Tensor loss =
        torch::binary_cross_entropy_with_logits(network_.Forward(Dense(), bags), labels);
    optimizer_.zero_grad();
    loss.backward();
    optimizer_.step();
    // The rate is of the mean of a batch's losses, as the gradients are.
    bags_->Update(bags.grad().contiguous().const_data_ptr<float>(),
                  {.learning_rate = static_cast<float>(settings_.table_rate),
                   .stochastic_rounding = !settings_.nearest,
                   .rounding_key = static_cast<uint32_t>(++steps_)});
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    trained_ += settings_.batch;
    return absl::OkStatus();
  }

  absl::StatusOr<nlohmann::json> Report() {
    const torch::NoGradGuard no_gradient;
    std::vector<float> probabilities, labels;
    for (int64_t first = 0; first < kHeldOutSamples; first += settings_.batch) {
      teacher_.Read(kHeldOut + first, std::min(settings_.batch, kHeldOutSamples - first), batch_);
      MILLRACE_ASSIGN_OR_RETURN(const Tensor bags, Bags());
      const Tensor told = torch::sigmoid(network_.Forward(Dense(), bags)).contiguous();
      probabilities.insert(probabilities.end(), told.const_data_ptr<float>(),
                           told.const_data_ptr<float>() + batch_.samples);
      labels.insert(labels.end(), batch_.labels.begin(), batch_.labels.end());
    }
    const clicks::ClickMetrics metrics = clicks::MeasureClicks(probabilities, labels);
    return nlohmann::json{{"samples", trained_},
                          {"auc", metrics.auc},
                          {"normalized_entropy", metrics.normalized_entropy},
                          {"log_loss", metrics.log_loss},
                          {"train_seconds", seconds_}};
  }

  int64_t trained() const { return trained_; }

 private:
  Tensor Dense() {
    return torch::from_blob(batch_.dense.data(), {batch_.samples, TeacherClicks::kDense});
  }
  // [samples, features, columns]
  absl::StatusOr<Tensor> Bags() {
    MILLRACE_RETURN_IF_ERROR(bags_->SetBatch(batch_.sparse()));
    Tensor bags =
        torch::empty({batch_.samples, std::ssize(TeacherClicks::kRows), settings_.columns});
    bags_->Forward(bags.data_ptr<float>());
    return bags;
  }

  const Settings& settings_;
  const TeacherClicks teacher_;
  const std::unique_ptr<embedding::EmbeddingBags> bags_;
  DlrmNetwork network_;
  torch::optim::Adagrad optimizer_;
  clicks::ClickBatch batch_;
  int64_t trained_ = 0, steps_ = 0;
  double seconds_ = 0;
};

absl::Status Run(const Settings& settings) {
  if (settings.columns % embedding::kColumnUnit != 0) {
    return absl::InvalidArgumentError("--columns: expected a multiple of 16");
  }
  at::set_num_threads(settings.threads);
  MILLRACE_ASSIGN_OR_RETURN(auto bags, MakeBags(settings));
  Training training(settings, std::move(bags));
  int64_t next = settings.report;
  while (training.trained() < settings.samples) {
    MILLRACE_RETURN_IF_ERROR(training.Step());
    if (training.trained() < next && training.trained() < settings.samples) continue;
    next += settings.report;
    MILLRACE_ASSIGN_OR_RETURN(const nlohmann::json report, training.Report());
    std::cout << report.dump() << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Settings settings;
  CLI::App app("How well DLRM learns TeacherCTR-8.");
  app.add_option("--samples", settings.samples)->capture_default_str();
  app.add_option("--batch", settings.batch)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--report", settings.report, "samples between two lines")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--columns", settings.columns)->capture_default_str();
  app.add_option("--table-rate", settings.table_rate)->capture_default_str();
  app.add_option("--dense-rate", settings.dense_rate)->capture_default_str();
  app.add_option("--rows", settings.rows)
      ->check(CLI::IsMember({"float32", "float16", "bfloat16"}))
      ->capture_default_str();
  app.add_flag("--nearest", settings.nearest, "rows of 16 bits are rounded to the nearest");
  app.add_option("--threads", settings.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", settings.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::warn);  // standard output is for the reports
  const absl::Status status = millrace::Run(settings);
  if (!status.ok()) std::cerr << "teacher_clicks: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
