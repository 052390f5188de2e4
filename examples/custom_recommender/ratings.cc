// Ratings of films as samples: lines `user,film,stars` of a file become two features of ids, each
// with an embedding table, and a label: whether the user liked the film.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "millrace/core/status.h"
#include "millrace/data/dataset.h"
#include "millrace/registry/plugin.h"
#include "millrace/registry/registry.h"

namespace {

using millrace::DatasetSplit;

struct Rating {
  long user, film;
  float stars;
};

class Ratings : public millrace::Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<millrace::Dataset>> Create(const millrace::Options& options,
                                                                   DatasetSplit split) {
    auto ratings = std::make_unique<Ratings>();
    const std::string file = options.GetString("file", "");  // relative to the experiment's
    const int64_t users = options.GetInt("users", 300, 1, 1'000'000'000);
    const int64_t films = options.GetInt("films", 200, 1, 1'000'000'000);
    MILLRACE_RETURN_IF_ERROR(options.Finish("ratings"));
    ratings->SetSpec(users, films);
    MILLRACE_RETURN_IF_ERROR(ratings->ReadFile(file, split));
    return ratings;
  }

  const millrace::DatasetSpec& spec() const override { return spec_; }

  // ids and id_counts, then the label: one row a sample. That ids are in range is checked for us.
  absl::Status Read(int64_t first, int64_t count,
                    std::span<const millrace::TensorView> fields) override {
    for (int64_t i = 0; i < count; ++i) {
      const Rating& rating = ratings_[static_cast<size_t>(first + i)];
      const auto ids = fields[0][i].As<int64_t>();
      ids[0] = rating.user;
      ids[1] = rating.film;
      std::ranges::fill(fields[1][i].As<int32_t>(), 1);  // one id of each
      fields[2].As<float>()[static_cast<size_t>(i)] = rating.stars >= 4 ? 1.0F : 0.0F;
    }
    return absl::OkStatus();
  }

 private:
  void SetSpec(int64_t users, int64_t films) {
    spec_.observation.id_features = {{.name = "user", .rows = users},
                                     {.name = "film", .rows = films}};
    spec_.observation.fields = millrace::IdFields(spec_.observation.id_features);
    spec_.labels = {{millrace::kLabel, millrace::DType::kFloat32, {}}};
  }

  // Every tenth line is held out, for `millrace eval`.
  absl::Status ReadFile(const std::string& file, DatasetSplit split) {
    std::ifstream lines(file);
    std::string line;
    for (int64_t number = 0; std::getline(lines, line); ++number) {
      Rating rating;
      if (std::sscanf(line.c_str(), "%ld,%ld,%f", &rating.user, &rating.film, &rating.stars) != 3) {
        return absl::InvalidArgumentError(file + ":" + std::to_string(number + 1) +
                                          ": expected user,film,stars");
      }
      const bool held_out = number % 10 == 9;
      if (held_out == (split == DatasetSplit::kHeldOut)) ratings_.push_back(rating);
    }
    spec_.samples = std::ssize(ratings_);
    if (!ratings_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("ratings: file: expected a file with ratings, got " + file);
  }

  millrace::DatasetSpec spec_;
  std::vector<Rating> ratings_;
};

}  // namespace

MILLRACE_PLUGIN_ABI

extern "C" void MillraceRegister(millrace::Registry& registry) {
  registry.AddDataset("ratings", Ratings::Create, "who liked which film");
}
