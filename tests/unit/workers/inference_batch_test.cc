#include "workers/policy/inference_batch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "millrace/core/rng.h"
#include "workers/league/league_store.h"

namespace millrace {
namespace {

constexpr int kRows = 6;
constexpr uint64_t kSeed = 11;
constexpr LeagueConfig kLeague{.every_versions = 10, .opponents = 3};

ModelSpec Spec() {
  ModelSpec spec;
  spec.type = "lstm";
  spec.hidden = {8};
  spec.lstm_size = 4;
  spec.observation.fields = {{"x", DType::kFloat32, {3}, Extent::kRows},
                             {"n", DType::kUInt8, {2}, Extent::kRows}};
  spec.action = ActionSpec::Continuous({-1, -1}, {1, 1});
  spec.action.components.push_back(ActionSpec::Discrete(3).components[0]);
  spec.action.components.push_back(ActionSpec::Discrete(5).components[0]);
  return spec;
}

std::unique_ptr<InferenceModel> Model() { return MakeNativeModel(Spec()).value(); }

// Other weights for every version.
std::vector<std::byte> Weights(const InferenceModel& model, uint64_t version) {
  Rng rng(5, version);
  std::vector<float> weights(model.weight_bytes() / sizeof(float));
  for (float& weight : weights) weight = 0.5F * static_cast<float>(rng.Normal());
  std::vector<std::byte> bytes(model.weight_bytes());
  std::memcpy(bytes.data(), weights.data(), bytes.size());
  return bytes;
}

// A client's end of two requests, one after the other: memory and what came back.
class Exchange {
 public:
  explicit Exchange(const InferenceSpec& spec)
      : request_layout_(spec.RequestLayout()),
        reply_layout_(spec.ReplyLayout()),
        request_(request_layout_.total_bytes()),
        reply_(reply_layout_.total_bytes()) {
    Rng rng(1, 2);
    for (float& x : request_layout_.View("observation/x", request_.data()).As<float>()) {
      x = static_cast<float>(rng.Normal());
    }
  }

  void SetSlots(const std::vector<uint8_t>& slots, uint8_t flags) {
    const auto field = request_layout_.View(kRowFlags, request_.data()).As<uint8_t>();
    for (size_t row = 0; row < slots.size(); ++row) {
      field[row] = static_cast<uint8_t>(slots[row] << kOpponentShift | flags);
    }
  }

  void Answer(InferenceBatch& batch, RecurrentStates& states, uint64_t id, uint32_t flags = 0) {
    PendingRequest request;
    request.header = {.id = id, .client = 1, .flags = flags, .first_row = 40, .draw = id};
    request.payload = request_.data();
    request.reply = reply_.data();
    std::vector<ReplyHeader> headers;
    ASSERT_TRUE(batch.Answer(std::span(&request, 1), 30, states, headers).ok());
  }

  // What one row does.
  std::vector<float> Action(size_t row) {
    std::vector<float> action;
    for (const float real : Row<float>(kContinuousAction, row)) action.push_back(real);
    for (const int32_t choice : Row<int32_t>(kDiscreteAction, row)) {
      action.push_back(static_cast<float>(choice));
    }
    action.push_back(Row<float>(kLogProb, row)[0]);
    return action;
  }

 private:
  template <typename T>
  std::span<const T> Row(const char* field, size_t row) {
    const auto all = reply_layout_.View(field, reply_.data()).As<T>();
    return all.subspan(row * (all.size() / kRows), all.size() / kRows);
  }

  const Layout request_layout_, reply_layout_;
  std::vector<std::byte> request_, reply_;
};

class PastVersionsAct : public testing::Test {
 protected:
  PastVersionsAct() {
    const ModelSpec model = Spec();
    spec_ = {.policy = "p",
             .observation = model.observation,
             .action = model.action,
             .rows = kRows,
             .state_size = static_cast<int32_t>(model_->state_size())};
  }
  ~PastVersionsAct() override { std::filesystem::remove_all(paths_.root()); }

  LeagueStore Store() { return LeagueStore::Open(paths_, "p", model_->layout()).value(); }

  // Keeps these versions, and lets them act beside `newest`.
  void Begin(const std::vector<uint64_t>& kept, uint64_t newest) {
    LeagueStore store = Store();
    for (const uint64_t version : kept) {
      ASSERT_TRUE(store.Write(version, Weights(*model_, version)).ok());
    }
    past_.emplace(Store(), kLeague, [] { return MakeNativeModel(Spec()); });
    ASSERT_TRUE(past_->Refresh(newest).ok());
    ASSERT_TRUE(model_->Load(Weights(*model_, newest)).ok());
    batch_.emplace(model_.get(), spec_, kSeed, &*past_);
  }

  // The actions of a batch that one version answers alone, at a first and a second request.
  std::vector<std::vector<float>> Alone(uint64_t version, int requests) {
    const auto model = Model();
    EXPECT_TRUE(model->Load(Weights(*model, version)).ok());
    InferenceBatch batch(model.get(), spec_, kSeed);
    RecurrentStates states;
    Exchange exchange(spec_);
    for (int id = 1; id <= requests; ++id) {
      exchange.SetSlots(std::vector<uint8_t>(kRows), id == 1 ? kRowFirst : 0);
      exchange.Answer(batch, states, static_cast<uint64_t>(id));
    }
    std::vector<std::vector<float>> actions;
    for (size_t row = 0; row < kRows; ++row) actions.push_back(exchange.Action(row));
    return actions;
  }

  const RunPaths paths_{std::filesystem::path(testing::TempDir()) /
                        ("league_" + std::to_string(::getpid()) + "_" +
                         testing::UnitTest::GetInstance()->current_test_info()->name())};
  const std::unique_ptr<InferenceModel> model_ = Model();
  InferenceSpec spec_;
  std::optional<PastVersions> past_;
  std::optional<InferenceBatch> batch_;
};

TEST_F(PastVersionsAct, InTheirRowsAsIfTheyWereAlone) {
  Begin({0, 10, 20}, 29);
  RecurrentStates states;
  Exchange exchange(spec_);
  const std::vector<uint8_t> slots = {0, 1, 2, 0, 3, 1};
  const std::vector<uint64_t> versions = {29, 0, 10, 29, 20, 0};
  for (int id = 1; id <= 2; ++id) {  // in the second, their own recurrent state counts
    exchange.SetSlots(slots, id == 1 ? kRowFirst : 0);
    exchange.Answer(*batch_, states, static_cast<uint64_t>(id));
    for (size_t row = 0; row < kRows; ++row) {
      EXPECT_EQ(exchange.Action(row), Alone(versions[row], id)[row]) << row << " of " << id;
    }
  }
  EXPECT_NE(Alone(0, 2)[1], Alone(29, 2)[1]);
}

TEST_F(PastVersionsAct, ValueRequestsLeaveTheirStatesAlone) {
  Begin({0}, 5);
  RecurrentStates states;
  Exchange exchange(spec_);
  exchange.SetSlots(std::vector<uint8_t>(kRows, 1), kRowFirst);
  exchange.Answer(*batch_, states, 1);
  const auto* before = states.Find({1, 0, 0}, 2);
  ASSERT_NE(before, nullptr);
  const std::vector<float> state = *before;
  exchange.SetSlots(std::vector<uint8_t>(kRows, 1), 0);
  exchange.Answer(*batch_, states, 2, kValueOnly);
  ASSERT_NE(states.Find({1, 0, 0}, 3), nullptr);
  EXPECT_EQ(*states.Find({1, 0, 0}, 3), state);
}

TEST_F(PastVersionsAct, TheNewestActsForOneThatIsNotThere) {
  Begin({10}, 29);
  EXPECT_EQ(past_->Model(1), nullptr);
  EXPECT_NE(past_->Model(2), nullptr);
  RecurrentStates states;
  Exchange exchange(spec_);
  exchange.SetSlots({1, 2, 3, 0, 0, 0}, kRowFirst);
  exchange.Answer(*batch_, states, 1);
  EXPECT_EQ(exchange.Action(0), Alone(29, 1)[0]);
  EXPECT_EQ(exchange.Action(1), Alone(10, 1)[1]);
}

TEST_F(PastVersionsAct, NewerOnesTakeThePlaceOfTheOldest) {
  Begin({0, 10, 20, 30}, 29);  // not yet 30
  const auto act = [&] {
    RecurrentStates states;
    Exchange exchange(spec_);
    exchange.SetSlots(std::vector<uint8_t>(kRows, 1), kRowFirst);
    exchange.Answer(*batch_, states, 1);
    return exchange.Action(3);
  };
  EXPECT_EQ(act(), Alone(0, 1)[3]);
  ASSERT_TRUE(past_->Refresh(30).ok());
  EXPECT_EQ(act(), Alone(30, 1)[3]);
  // What comes next was not kept: the one whose turn is over does not play on.
  EXPECT_NE(past_->Model(2), nullptr);
  ASSERT_TRUE(past_->Refresh(40).ok());
  EXPECT_EQ(past_->Model(2), nullptr);
}

TEST_F(PastVersionsAct, TheFirstVersionOfEveryPeriodIsKept) {
  const auto open = [&](const std::optional<LeagueConfig>& league) {
    return LeagueWriter::Open({.name = "p", .league = league}, paths_, model_->layout()).value();
  };
  EXPECT_EQ(open(std::nullopt), nullptr);
  for (const std::vector<uint64_t>& versions :
       {std::vector<uint64_t>{0, 1, 9, 10, 11}, std::vector<uint64_t>{12, 23, 24, 30}}) {
    const auto writer = open(kLeague);  // again after a restart
    for (const uint64_t version : versions) {
      writer->Offer(version, Weights(*model_, version));
    }
  }
  const LeagueStore store = Store();
  EXPECT_EQ(store.Versions(), (std::vector<uint64_t>{0, 10, 23, 30}));
  EXPECT_EQ(store.Read(23).value(), Weights(*model_, 23));
}

}  // namespace
}  // namespace millrace
