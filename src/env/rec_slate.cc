#include "env/rec_slate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/subsets.h"
#include "env/builtin_environments.h"
#include "env/state_bytes.h"
#include "millrace/core/rng.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr double kPopularity = 1.05;  // exponent
// Constants of RecSim's interest evolution.
constexpr int kBadTopics = 14;
constexpr double kExtremeQuality = 3, kQualityDeviation = 0.1;
constexpr double kPatience = 200, kWatch = 4, kSkipCost = 0.5;
constexpr double kQualityGain = 0.9 / 3.4;
constexpr double kNoneWeight = 2;
constexpr double kInterestStep = 0.3;

constexpr int64_t kMostSlates = 1 << 14;
constexpr int64_t kBucket = 10;  // of patience and steps
constexpr int64_t kPatienceBuckets = 20, kStepBuckets = 201;

constexpr uint64_t kItemStream = uint64_t{1} << 56, kUserStream = uint64_t{2} << 56;
constexpr uint64_t kCandidateStream = uint64_t{3} << 56, kResponseStream = uint64_t{4} << 56;

// Of 14 topics -3 to 0, of the others 0 to 3.
double MeanQuality(size_t topic) {
  const auto t = static_cast<double>(topic);
  if (topic < kBadTopics) return -kExtremeQuality * (1 - t / (kBadTopics - 1));
  return kExtremeQuality * (t - kBadTopics) / (kTopics - kBadTopics - 1);
}

AgentSpec SpecOf(const RecSlateOptions& options) {
  AgentSpec spec{.name = "recommender", .observation = {}, .action = {}};
  const int64_t rows = options.hide_items ? 1 : options.items;
  std::vector<IdFeature>& features = spec.observation.id_features;
  for (int c = 0; c < options.candidates; ++c) {
    features.push_back({.name = absl::StrCat("candidate_", c), .rows = rows, .table = "item"});
  }
  for (const char* const name : {"watched", "skipped"}) {
    features.push_back({.name = name, .rows = rows, .max_length = 20, .table = "item"});
  }
  features.push_back({.name = "user", .rows = options.users});
  features.push_back({.name = "patience", .rows = kPatienceBuckets});
  features.push_back({.name = "step", .rows = kStepBuckets});
  spec.observation.fields = IdFields(features);
  spec.action =
      ActionSpec::Discrete(static_cast<int32_t>(NumSubsets(options.candidates, options.slate)));
  return spec;
}

}  // namespace

RecSlateWorld::RecSlateWorld(uint64_t seed, int64_t items)
    : seed_(seed), items_(items), popularity_(items, kPopularity) {
  factor_ = static_cast<int64_t>(0.618 * static_cast<double>(items)) | 1;
  while (std::gcd(factor_, items) != 1) factor_ += 2;
}

RecSlateWorld::Item RecSlateWorld::ItemOf(int64_t id) const {
  Rng rng(seed_, kItemStream + static_cast<uint64_t>(id));
  Item item{.topic = static_cast<size_t>(rng.Below(kTopics))};
  item.quality = MeanQuality(item.topic) + kQualityDeviation * rng.Normal();
  return item;
}

RecSlateWorld::Interests RecSlateWorld::InterestsOf(int64_t user) const {
  Rng rng(seed_, kUserStream + static_cast<uint64_t>(user));
  Interests interests;
  for (double& interest : interests) interest = rng.Uniform(-1, 1);
  return interests;
}

int64_t RecSlateWorld::DrawItem(Rng& rng) const {
  return static_cast<int64_t>(static_cast<uint64_t>(popularity_.Draw(rng)) *
                              static_cast<uint64_t>(factor_) % static_cast<uint64_t>(items_));
}

void RecSlate::History::Add(int64_t item) {
  std::shift_right(items.begin(), items.end(), 1);
  items.front() = item;
  count = std::min<int64_t>(count + 1, kHistory);
}

RecSlate::RecSlate(const RecSlateOptions& options)
    : options_(options),
      world_(options.world, options.items),
      slates_(Subsets(options.candidates, options.slate)) {
  spec_.agents.push_back(SpecOf(options));
  spec_.statistics = {"quality", "watched"};
}

absl::Status RecSlate::Reset(uint64_t seed, std::span<AgentSlot> agents) {
  seed_ = seed;
  step_ = watches_ = 0;
  patience_ = kPatience;
  quality_ = 0;
  watched_ = skipped_ = {};
  Rng rng(seed_, kUserStream);
  user_ = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(options_.users)));
  interests_ = world_.InterestsOf(user_);
  DrawCandidates();
  agents[0].present = true;
  Write(agents[0]);
  return absl::OkStatus();
}

int RecSlate::Choose(std::span<const int64_t> slate, Rng& rng) const {
  std::vector<double> weights;
  for (const int64_t item : slate) weights.push_back(1 + interests_[world_.ItemOf(item).topic]);
  double draw =
      rng.Uniform() * (std::accumulate(weights.begin(), weights.end(), 0.0) + kNoneWeight);
  for (size_t i = 0; i < weights.size(); ++i) {
    draw -= weights[i];
    if (draw < 0) return static_cast<int>(i);
  }
  return -1;
}

void RecSlate::Watch(int64_t id, Rng& rng, AgentSlot& agent) {
  const RecSlateWorld::Item item = world_.ItemOf(id);
  const double watch = std::min(kWatch, patience_);
  agent.reward = static_cast<float>(watch);
  patience_ -= watch - kQualityGain * watch * item.quality;
  double& interest = interests_[item.topic];
  const double change = kInterestStep * (1 - std::abs(interest)) * (1 - interest);
  const bool up = rng.Uniform() < (interest + 1) / 2;
  interest = std::clamp(interest + (up ? change : -change), -1.0, 1.0);
  ++watches_;
  quality_ += item.quality;
}

absl::Status RecSlate::Step(std::span<AgentSlot> agents) {
  AgentSlot& agent = agents[0];
  const int32_t choice = agent.discrete[0];
  if (choice < 0 || choice >= std::ssize(slates_)) {
    return absl::InvalidArgumentError(absl::StrCat("rec_slate: expected slates from 0 to ",
                                                   slates_.size() - 1, ", got ", choice));
  }
  std::vector<int64_t> slate;
  for (const int64_t candidate : slates_[static_cast<size_t>(choice)]) {
    slate.push_back(candidates_[static_cast<size_t>(candidate)]);
  }
  Rng rng(seed_, kResponseStream + static_cast<uint64_t>(step_));
  const int chosen = Choose(slate, rng);
  if (chosen < 0) patience_ -= kSkipCost;
  for (size_t i = 0; i < slate.size(); ++i) {
    if (static_cast<int>(i) == chosen) {
      Watch(slate[i], rng, agent);
      watched_.Add(slate[i]);
    } else {
      skipped_.Add(slate[i]);
    }
  }
  ++step_;
  agent.terminated = patience_ <= 0;
  agent.truncated = step_ >= options_.max_episode_steps;
  statistics_ = {watches_ == 0 ? std::numeric_limits<double>::quiet_NaN()
                               : quality_ / static_cast<double>(watches_),
                 static_cast<double>(watches_) / static_cast<double>(step_)};
  DrawCandidates();
  Write(agent);
  return absl::OkStatus();
}

void RecSlate::DrawCandidates() {
  Rng rng(seed_, kCandidateStream + static_cast<uint64_t>(step_));
  candidates_.resize(static_cast<size_t>(options_.candidates));
  for (int64_t& item : candidates_) item = world_.DrawItem(rng);
}

void RecSlate::Write(const AgentSlot& agent) const {
  const std::span<int64_t> ids = agent.observation[0].As<int64_t>();
  const std::span<int32_t> counts = agent.observation[1].As<int32_t>();
  auto id = ids.begin();
  auto count = counts.begin();
  const auto add = [&](std::span<const int64_t> items) {
    for (const int64_t item : items) *id++ = options_.hide_items ? 0 : item;
    *count++ = static_cast<int32_t>(items.size());
  };
  for (const int64_t& item : candidates_) add({&item, 1});
  for (const History* history : {&watched_, &skipped_}) {
    add(std::span(history->items).first(static_cast<size_t>(history->count)));
  }
  const auto bucket = [](double number, int64_t buckets) {
    return std::clamp(static_cast<int64_t>(number) / kBucket, int64_t{0}, buckets - 1);
  };
  for (const int64_t own : {user_, bucket(patience_, kPatienceBuckets),
                            bucket(static_cast<double>(step_), kStepBuckets)}) {
    *id++ = own;
    *count++ = 1;
  }
  std::fill(id, ids.end(), 0);
}

absl::StatusOr<std::string> RecSlate::SaveState() const {
  StateWriter writer;
  for (const auto number : {static_cast<int64_t>(seed_), step_, user_, watches_}) {
    writer.Put(number);
  }
  writer.Put(patience_);
  writer.Put(quality_);
  writer.Put(interests_);
  writer.Put(watched_);
  writer.Put(skipped_);
  return writer.Take();
}

absl::Status RecSlate::RestoreState(std::string_view state, std::span<AgentSlot> agents) {
  StateReader reader(state);
  int64_t seed = 0;
  for (int64_t* const number : {&seed, &step_, &user_, &watches_}) reader.Get(*number);
  seed_ = static_cast<uint64_t>(seed);
  reader.Get(patience_);
  reader.Get(quality_);
  reader.Get(interests_);
  reader.Get(watched_);
  reader.Get(skipped_);
  MILLRACE_RETURN_IF_ERROR(reader.Finish());
  for (const History* history : {&watched_, &skipped_}) {
    const bool fits = history->count >= 0 && history->count <= static_cast<int64_t>(kHistory);
    if (!fits) return absl::DataLossError("saved state of rec_slate: a history that is too long");
  }
  DrawCandidates();
  agents[0].present = true;
  Write(agents[0]);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Environment>> MakeRecSlate(const Options& options) {
  RecSlateOptions made;
  made.candidates = static_cast<int>(options.GetInt("candidates", made.candidates, 1, 1000));
  made.slate = static_cast<int>(options.GetInt("slate", made.slate, 1, 100));
  made.items = options.GetInt("items", made.items, 1, int64_t{1} << 31);
  made.users = options.GetInt("users", made.users, 1, int64_t{1} << 31);
  made.hide_items = options.GetBool("hide_items", made.hide_items);
  made.world = static_cast<uint64_t>(
      options.GetInt("world", static_cast<int64_t>(made.world), 0, INT64_MAX));
  made.max_episode_steps =
      options.GetInt("max_episode_steps", made.max_episode_steps, 1, INT32_MAX);
  MILLRACE_RETURN_IF_ERROR(options.Finish("rec_slate"));
  const int64_t slates = NumSubsets(made.candidates, made.slate);
  if (slates < 1 || slates > kMostSlates) {
    return absl::InvalidArgumentError(
        absl::StrCat("rec_slate: slate: expected 1 to ", kMostSlates, " subsets of ",
                     made.candidates, " candidates, got ",
                     slates == INT32_MAX ? "more" : absl::StrCat(slates), " of ", made.slate));
  }
  return std::make_unique<RecSlate>(made);
}

}  // namespace millrace
