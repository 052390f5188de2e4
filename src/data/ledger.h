// Counters that survive `kill -9`: one memory-mapped file per process incarnation, in RUN/ledger/.
//
// The accounting identity, exact at every moment and for every sample stream:
//     produced = trained + sum(dropped[reason]) + in_flight
// `produced` is read from the producers' lanes, `trained` and `dropped` from the consumers' totals,
// and `in_flight` from the difference between a lane's committed sequence and the consumer's mark
// for that lane. So the identity compares three independently kept quantities.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/activity.h"
#include "core/mapped_file.h"
#include "core/process_identity.h"

namespace millrace {

enum class DropReason : uint8_t {
  kOverflow,
  kStale,
  kCrc,
  kSchema,
  kNonfinite,
  kLostProducer,
  kLostConsumer,
  kRolledBack,
  kOrphanVersion,
  kEvicted,
  kDiscardedEpisode,
  kDrained,
};
inline constexpr int kNumDropReasons = 12;
std::string_view Name(DropReason reason);

// Monotone counts a process keeps about itself; any thread of the owner may add.
enum class Counter : uint8_t {
  kEnvSteps,  // actor: environment steps simulated (committed or not)
  kAgentSteps,
  kEpisodes,
  kDiscardedSteps,  // actor: simulated, then thrown away before a commit
  kStateResets,     // actor: replies that said the recurrent state was lost
  kRequests,        // policy: requests served
  kRequestRows,
  kInferenceBatches,
  kResends,     // zmq: messages sent again
  kTrainSteps,  // trainer: batches trained
  kSampleUses,  // trainer: segments of all train steps, each as often as it was used
  kLagSum,
  kLagCount,       // trainer: segments consumed
  kLagMax,         // trainer: policy lag of consumed segments, in published versions
  kPolicyVersion,  // newest version published (trainer) or loaded (others)
  kCount,
};
inline constexpr int kNumCounters = static_cast<int>(Counter::kCount);
std::string_view Name(Counter counter);

struct EpisodeRecord {
  int64_t finished_ns = 0;   // CLOCK_MONOTONIC, comparable between processes of one host
  uint64_t env_steps = 0;    // Counter::kEnvSteps of this process at that moment
  float episode_return = 0;  // of one agent row: undiscounted sum of rewards
  uint32_t length = 0;
  uint32_t policy = 0;  // index in the sorted policy names
  uint32_t reserved = 0;
};
inline constexpr size_t kEpisodeRing = 8192;

// What an environment says about its episodes (EnvironmentSpec::statistics), over all that ended.
struct EpisodeStatistic {
  std::string name;
  double sum = 0;
  uint64_t count = 0;
};
inline constexpr size_t kMaxStatistics = 48;
inline constexpr size_t kMaxLedgerLanes = 1024;

struct SegmentCount {
  uint64_t segments = 0;
  uint64_t env_steps = 0;
  void Add(uint64_t more_segments, uint64_t env_steps_each) {
    segments += more_segments;
    env_steps += more_segments * env_steps_each;
  }
  bool operator==(const SegmentCount&) const = default;
};

// How far a consumer has disposed of (trained or dropped) the segments of one lane. Segments of one
// lane may be disposed of in any order, but none of them kWindow or more after the oldest that is
// not: batches are checked to be small enough for that (config/experiment_checks.cc).
struct LaneMark {
  static constexpr uint64_t kWindow = 256;

  uint32_t producer = 0;
  uint32_t incarnation = 0;
  uint64_t contiguous = 0;                         // every sequence up to here is disposed of
  std::array<uint64_t, kWindow / 64> beyond = {};  // bit i: sequence contiguous + 1 + i is, too
  uint32_t env_steps_each = 0;
  uint32_t closed = 0;  // the producer is gone and everything it produced is accounted for

  bool Contains(uint64_t sequence) const;
  // False if it was marked already (a duplicate) or lies kWindow or more ahead.
  bool Mark(uint64_t sequence);
  uint64_t count() const;
};
inline constexpr size_t kMaxLaneMarks = 2048;

// Everything a consumer (one trainer rank) must not lose or count twice. Replaced as a whole.
struct ConsumerState {
  uint64_t batch = 0;           // batches in the current parameter lineage
  uint64_t policy_version = 0;  // newest version recorded for publication; never reused
  uint64_t epoch = 0;           // newest trainer group formation this rank was part of
  uint64_t train_steps = 0;     // lifetime count of batches trained, lost ones included
  SegmentCount trained;
  SegmentCount last_batch;  // the share of `trained` that the newest batch brought
  std::array<SegmentCount, kNumDropReasons> dropped;
  SegmentCount redelivered;  // received again and recognised
  SegmentCount duplicates;   // trained twice: must stay 0
  uint64_t num_lanes = 0;
  std::array<LaneMark, kMaxLaneMarks> lanes;

  // The mark of a lane, made if missing; null if the table is full.
  LaneMark* Lane(uint32_t producer, uint32_t incarnation);
  const LaneMark* FindLane(uint32_t producer, uint32_t incarnation) const;
  void Drop(DropReason reason, uint64_t segments, uint64_t env_steps_each) {
    dropped[static_cast<size_t>(reason)].Add(segments, env_steps_each);
  }
};

// Actors, and readers of datasets.
inline bool ProducesSamples(std::string_view role) { return role == "actor" || role == "reader"; }

struct LedgerIdentity {
  std::string role;  // "actor", "reader", "policy", "trainer", "parameter_server"
  uint32_t index = 0;
  uint32_t incarnation = 0;
  std::string policy;  // trainer: whose segments it consumes; else empty
  uint32_t rank = 0;   // trainer: rank within its group
  ProcessIdentity process;
};

struct ProducerLane {
  std::string stream;  // the policy's name
  uint32_t rank = 0;
  uint32_t env_steps_each = 0;
  uint32_t agent_steps_each = 0;
  uint64_t committed = 0;  // segments: the lane's last sequence
};

// A consistent copy of another process's ledger.
struct LedgerSnapshot {
  LedgerIdentity identity;
  std::array<uint64_t, kNumCounters> counters{};
  std::array<uint64_t, kNumActivities> activity_ns{};
  std::vector<ProducerLane> lanes;
  uint64_t episode_count = 0;
  std::vector<EpisodeStatistic> statistics;
  std::optional<ConsumerState> consumer;  // trainers
  uint64_t counter(Counter c) const { return counters[static_cast<size_t>(c)]; }
  double seconds(Activity a) const {
    return static_cast<double>(activity_ns[static_cast<size_t>(a)]) * 1e-9;
  }
};

// The file "ROLE-INDEX.INCARNATION" in a run's ledger directory. The owner process writes, every
// other process may read at any time. Counters and lanes are thread-safe; the consumer part is
// bound to one thread.
class Ledger {
 public:
  // `initial`: what a restarted trainer carries over; readers never see the file without it.
  static absl::StatusOr<std::unique_ptr<Ledger>> Create(const std::filesystem::path& directory,
                                                        const LedgerIdentity& identity,
                                                        const ConsumerState* initial = nullptr);
  ~Ledger();

  void Add(Counter counter, uint64_t amount);
  void SetMax(Counter counter, uint64_t value);
  uint64_t Get(Counter counter) const;
  // Where the activity timers of this process's threads count.
  ActivityTotals& activities();
  void RecordEpisode(const EpisodeRecord& episode);
  // Once, before the first AddStatistic; names of more than 47 characters are cut.
  // kResourceExhausted for more than kMaxStatistics. Bound to one thread.
  absl::Status NameStatistics(const std::vector<std::string>& names);
  void AddStatistic(size_t statistic, double sum, uint64_t count);

  // Producer side. Registers a lane once; the handle stays valid. Commit() makes one more segment
  // "produced": it is called before the segment becomes visible to the consumer.
  absl::StatusOr<int> AddLane(std::string_view stream, uint32_t rank, uint32_t env_steps_each,
                              uint32_t agent_steps_each);
  uint64_t Commit(int lane);  // the new sequence number
  uint64_t committed(int lane) const;

  // Consumer side. `current` is the committed truth. `pending` is what the state will be once the
  // batch in progress counts; after a crash the group's batch number decides which of the two
  // holds. `previous` is the state before the last commit, for the case that the rest of the group
  // never finished that batch. Each call is atomic against kill -9.
  const ConsumerState& current() const;
  const ConsumerState* pending() const;
  const ConsumerState* previous() const;
  void Commit(const ConsumerState& next);
  void SetPending(const ConsumerState& next);
  void ClearPending();

  static absl::StatusOr<LedgerSnapshot> Read(const std::filesystem::path& file);
  // The episodes recorded since `from` (a value of episode_count), at most kEpisodeRing of them.
  static absl::StatusOr<std::vector<EpisodeRecord>> ReadEpisodes(const MappedFile& file,
                                                                 uint64_t from);
  // Maps a file for repeated reading; Read() on it avoids reopening.
  static absl::StatusOr<std::unique_ptr<MappedFile>> OpenForReading(
      const std::filesystem::path& file);
  static absl::StatusOr<LedgerSnapshot> Read(const MappedFile& file);
  // pending and previous of a dead process's ledger (Read() gives only current).
  struct ConsumerHistory {
    ConsumerState current;
    std::optional<ConsumerState> pending, previous;
  };
  static absl::StatusOr<ConsumerHistory> ReadConsumerHistory(const std::filesystem::path& file);

 private:
  struct File;  // the layout, in ledger.cc
  Ledger(std::unique_ptr<MappedFile> mapping, File* file);
  ConsumerState& FreeSlot();

  std::unique_ptr<MappedFile> mapping_;
  File* file_;
};

// "actor-3.2" -> {actor, 3, 2}; nullopt for any other name.
struct LedgerName {
  std::string role;
  uint32_t index = 0;
  uint32_t incarnation = 0;
};
std::optional<LedgerName> ParseLedgerName(std::string_view file_name);
std::string LedgerFileName(std::string_view role, uint32_t index, uint32_t incarnation);
// All ledgers of a run, ordered by role, index, incarnation.
std::vector<std::pair<LedgerName, std::filesystem::path>> ListLedgers(
    const std::filesystem::path& directory);

}  // namespace millrace
