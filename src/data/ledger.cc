#include "data/ledger.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

constexpr uint64_t kMagic = 0x314C45444745524C;  // "LREGDEL1"
constexpr uint32_t kFormat = 6;
constexpr uint8_t kNone = 0xFF;
constexpr int kReadAttempts = 1000;

struct LaneRecord {
  char stream[64];
  uint32_t rank;
  uint32_t env_steps_each;
  uint32_t agent_steps_each;
  uint32_t reserved;
  std::atomic<uint64_t> committed;
};

struct StatisticRecord {
  char name[48];
  std::atomic<double> sum;
  std::atomic<uint64_t> count;
};

// Which of the four slots plays which part. One 64-bit word, replaced in one atomic store, so a
// process killed at any instruction leaves a consistent choice behind.
struct Roles {
  uint8_t current = 0;
  uint8_t previous = kNone;
  uint8_t pending = kNone;
  uint8_t unused = 0;
  uint32_t serial = 0;  // changes with every store, so that a reader notices
};
static_assert(sizeof(Roles) == 8 && std::atomic<Roles>::is_always_lock_free);

void CopyText(std::string_view text, std::span<char> out) {
  const size_t length = std::min(text.size(), out.size() - 1);
  std::memcpy(out.data(), text.data(), length);
  out[length] = '\0';
}

bool ParseNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// Copies only the lanes in use.
void CopyState(const ConsumerState& from, ConsumerState& to) {
  const size_t lanes = std::min<size_t>(from.num_lanes, kMaxLaneMarks);
  std::memcpy(static_cast<void*>(&to), &from,
              offsetof(ConsumerState, lanes) + lanes * sizeof(LaneMark));
}

}  // namespace

static_assert(std::is_trivially_copyable_v<ConsumerState>);

struct Ledger::File {
  uint64_t magic;
  uint32_t format;
  uint32_t index;
  uint32_t incarnation;
  uint32_t rank;
  char role[32];
  char policy[64];
  int32_t pid;
  uint32_t has_consumer;
  uint64_t start_ticks;
  std::atomic<uint64_t> counters[kNumCounters];
  ActivityTotals activities;
  std::atomic<uint32_t> num_lanes;
  LaneRecord lanes[kMaxLedgerLanes];
  std::atomic<uint32_t> num_statistics;
  StatisticRecord statistics[kMaxStatistics];
  std::atomic<uint64_t> episode_count;
  EpisodeRecord episodes[kEpisodeRing];
  // Only trainers' files reach beyond this point.
  alignas(64) std::atomic<Roles> roles;
  ConsumerState states[4];
};

std::string_view Name(DropReason reason) {
  static constexpr std::string_view kNames[kNumDropReasons] = {
      "overflow",          "stale",         "crc",         "schema",         "nonfinite",
      "lost_producer",     "lost_consumer", "rolled_back", "orphan_version", "evicted",
      "discarded_episode", "drained"};
  return kNames[static_cast<size_t>(reason)];
}

std::string_view Name(Counter counter) {
  static constexpr std::string_view kNames[kNumCounters] = {
      "env_steps",   "agent_steps",  "episodes",          "discarded_steps", "state_resets",
      "requests",    "request_rows", "inference_batches", "resends",         "train_steps",
      "sample_uses", "lag_sum",      "lag_count",         "lag_max",         "policy_version"};
  return kNames[static_cast<size_t>(counter)];
}

bool LaneMark::Contains(uint64_t sequence) const {
  if (sequence <= contiguous) return true;
  const uint64_t ahead = sequence - contiguous - 1;
  return ahead < kWindow && ((beyond[ahead / 64] >> (ahead % 64)) & 1) != 0;
}

bool LaneMark::Mark(uint64_t sequence) {
  if (Contains(sequence)) return false;
  const uint64_t ahead = sequence - contiguous - 1;
  if (ahead >= kWindow) return false;
  beyond[ahead / 64] |= uint64_t{1} << (ahead % 64);
  while ((beyond[0] & 1) != 0) {
    ++contiguous;
    for (size_t i = 0; i < beyond.size(); ++i) {
      const uint64_t carry = i + 1 < beyond.size() ? beyond[i + 1] << 63 : 0;
      beyond[i] = (beyond[i] >> 1) | carry;
    }
  }
  return true;
}

uint64_t LaneMark::count() const {
  uint64_t count = contiguous;
  for (uint64_t word : beyond) count += static_cast<uint64_t>(std::popcount(word));
  return count;
}

LaneMark* ConsumerState::Lane(uint32_t producer, uint32_t incarnation) {
  if (const LaneMark* found = FindLane(producer, incarnation)) return const_cast<LaneMark*>(found);
  if (num_lanes >= kMaxLaneMarks) return nullptr;
  lanes[num_lanes] = {.producer = producer, .incarnation = incarnation};
  return &lanes[num_lanes++];
}

const LaneMark* ConsumerState::FindLane(uint32_t producer, uint32_t incarnation) const {
  for (size_t i = 0; i < std::min<size_t>(num_lanes, kMaxLaneMarks); ++i) {
    if (lanes[i].producer == producer && lanes[i].incarnation == incarnation) return &lanes[i];
  }
  return nullptr;
}

Ledger::Ledger(std::unique_ptr<MappedFile> mapping, File* file)
    : mapping_(std::move(mapping)), file_(file) {}

Ledger::~Ledger() = default;

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Create(const std::filesystem::path& directory,
                                                       const LedgerIdentity& identity,
                                                       const ConsumerState* initial) {
  const bool has_consumer = identity.role == "trainer";
  const size_t bytes = has_consumer ? sizeof(File) : offsetof(File, roles);
  const auto path = directory / LedgerFileName(identity.role, identity.index, identity.incarnation);
  MILLRACE_ASSIGN_OR_RETURN(auto mapping, MappedFile::Create(path, bytes));
  File* file = mapping->At<File>(0);
  file->format = kFormat;
  file->index = identity.index;
  file->incarnation = identity.incarnation;
  file->rank = identity.rank;
  CopyText(identity.role, file->role);
  CopyText(identity.policy, file->policy);
  file->pid = identity.process.pid;
  file->start_ticks = identity.process.start_ticks;
  file->has_consumer = has_consumer ? 1 : 0;
  if (has_consumer) {
    file->roles.store(Roles{});
    if (initial != nullptr) CopyState(*initial, file->states[0]);
  }
  // Last: a file without the magic number is not a ledger yet.
  std::atomic_ref<uint64_t>(file->magic).store(kMagic);
  return std::unique_ptr<Ledger>(new Ledger(std::move(mapping), file));
}

void Ledger::Add(Counter counter, uint64_t amount) {
  // Relaxed: a counter orders nothing but itself.
  file_->counters[static_cast<size_t>(counter)].fetch_add(amount, std::memory_order_relaxed);
}

void Ledger::SetMax(Counter counter, uint64_t value) {
  auto& cell = file_->counters[static_cast<size_t>(counter)];
  uint64_t seen = cell.load();
  while (seen < value && !cell.compare_exchange_weak(seen, value)) {
  }
}

uint64_t Ledger::Get(Counter counter) const {
  return file_->counters[static_cast<size_t>(counter)].load();
}

ActivityTotals& Ledger::activities() { return file_->activities; }

void Ledger::RecordEpisode(const EpisodeRecord& episode) {
  const uint64_t count = file_->episode_count.load();
  file_->episodes[count % kEpisodeRing] = episode;
  file_->episode_count.store(count + 1);
}

absl::Status Ledger::NameStatistics(const std::vector<std::string>& names) {
  if (names.size() > kMaxStatistics) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "statistics of an environment: expected at most ", kMaxStatistics, ", got ", names.size()));
  }
  for (size_t i = 0; i < names.size(); ++i) CopyText(names[i], file_->statistics[i].name);
  file_->num_statistics.store(static_cast<uint32_t>(names.size()));
  return absl::OkStatus();
}

void Ledger::AddStatistic(size_t statistic, double sum, uint64_t count) {
  StatisticRecord& record = file_->statistics[statistic];
  record.sum.store(record.sum.load() + sum);
  record.count.store(record.count.load() + count);
}

absl::StatusOr<int> Ledger::AddLane(std::string_view stream, uint32_t rank, uint32_t env_steps_each,
                                    uint32_t agent_steps_each) {
  const uint32_t count = file_->num_lanes.load();
  if (count >= kMaxLedgerLanes) {
    return absl::ResourceExhaustedError(absl::StrCat("an actor can have at most ", kMaxLedgerLanes,
                                                     " sample lanes (policies x trainers)"));
  }
  LaneRecord& lane = file_->lanes[count];
  CopyText(stream, lane.stream);
  lane.rank = rank;
  lane.env_steps_each = env_steps_each;
  lane.agent_steps_each = agent_steps_each;
  file_->num_lanes.store(count + 1);
  return static_cast<int>(count);
}

uint64_t Ledger::Commit(int lane) {
  return file_->lanes[static_cast<size_t>(lane)].committed.fetch_add(1) + 1;
}

uint64_t Ledger::committed(int lane) const {
  return file_->lanes[static_cast<size_t>(lane)].committed.load();
}

const ConsumerState& Ledger::current() const { return file_->states[file_->roles.load().current]; }

const ConsumerState* Ledger::pending() const {
  const Roles roles = file_->roles.load();
  return roles.pending == kNone ? nullptr : &file_->states[roles.pending];
}

const ConsumerState* Ledger::previous() const {
  const Roles roles = file_->roles.load();
  return roles.previous == kNone ? nullptr : &file_->states[roles.previous];
}

ConsumerState& Ledger::FreeSlot() {
  const Roles roles = file_->roles.load();
  for (uint8_t slot = 0; slot < 4; ++slot) {
    if (slot != roles.current && slot != roles.previous && slot != roles.pending) {
      return file_->states[slot];
    }
  }
  MILLRACE_CHECK(false, "four slots, three parts");
}

void Ledger::Commit(const ConsumerState& next) {
  ConsumerState& slot = FreeSlot();
  CopyState(next, slot);
  Roles roles = file_->roles.load();
  roles.previous = roles.current;
  roles.current = static_cast<uint8_t>(&slot - file_->states);
  roles.pending = kNone;
  ++roles.serial;
  file_->roles.store(roles);
}

void Ledger::SetPending(const ConsumerState& next) {
  ConsumerState& slot = FreeSlot();
  CopyState(next, slot);
  Roles roles = file_->roles.load();
  roles.pending = static_cast<uint8_t>(&slot - file_->states);
  ++roles.serial;
  file_->roles.store(roles);
}

void Ledger::ClearPending() {
  Roles roles = file_->roles.load();
  roles.pending = kNone;
  ++roles.serial;
  file_->roles.store(roles);
}

absl::StatusOr<std::unique_ptr<MappedFile>> Ledger::OpenForReading(
    const std::filesystem::path& path) {
  MILLRACE_ASSIGN_OR_RETURN(auto mapping, MappedFile::Open(path, offsetof(File, roles)));
  const File* file = mapping->At<File>(0);
  if (file->magic != kMagic || file->format != kFormat ||
      (file->has_consumer != 0 && mapping->size() < sizeof(File))) {
    return absl::DataLossError(absl::StrCat(path.string(), " is not a ledger of this version"));
  }
  return mapping;
}

absl::StatusOr<LedgerSnapshot> Ledger::Read(const std::filesystem::path& path) {
  MILLRACE_ASSIGN_OR_RETURN(auto mapping, OpenForReading(path));
  return Read(*mapping);
}

absl::StatusOr<LedgerSnapshot> Ledger::Read(const MappedFile& mapping) {
  const File* file = mapping.At<File>(0);
  LedgerSnapshot snapshot;
  snapshot.identity = {.role = file->role,
                       .index = file->index,
                       .incarnation = file->incarnation,
                       .policy = file->policy,
                       .rank = file->rank,
                       .process = {file->pid, file->start_ticks}};
  for (size_t i = 0; i < kNumCounters; ++i) snapshot.counters[i] = file->counters[i].load();
  for (size_t i = 0; i < kNumActivities; ++i) snapshot.activity_ns[i] = file->activities[i].load();
  const uint32_t lanes = std::min<uint32_t>(file->num_lanes.load(), kMaxLedgerLanes);
  for (uint32_t i = 0; i < lanes; ++i) {
    const LaneRecord& lane = file->lanes[i];
    snapshot.lanes.push_back({.stream = lane.stream,
                              .rank = lane.rank,
                              .env_steps_each = lane.env_steps_each,
                              .agent_steps_each = lane.agent_steps_each,
                              .committed = lane.committed.load()});
  }
  snapshot.episode_count = file->episode_count.load();
  const uint32_t statistics = std::min<uint32_t>(file->num_statistics.load(), kMaxStatistics);
  for (uint32_t i = 0; i < statistics; ++i) {
    const StatisticRecord& record = file->statistics[i];
    snapshot.statistics.push_back({record.name, record.sum.load(), record.count.load()});
  }
  if (file->has_consumer != 0) {
    snapshot.consumer.emplace();
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
      const Roles before = file->roles.load();
      CopyState(file->states[before.current & 3], *snapshot.consumer);
      std::atomic_thread_fence(std::memory_order_acquire);
      // A slot is rewritten only after two further changes of roles; one is harmless.
      if (file->roles.load().serial - before.serial <= 1) return snapshot;
    }
    return absl::UnavailableError("ledger changes too quickly to be read");
  }
  return snapshot;
}

absl::StatusOr<Ledger::ConsumerHistory> Ledger::ReadConsumerHistory(
    const std::filesystem::path& path) {
  MILLRACE_ASSIGN_OR_RETURN(auto mapping, OpenForReading(path));
  const File* file = mapping->At<File>(0);
  if (file->has_consumer == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path.string(), " is not a trainer's ledger"));
  }
  const Roles roles = file->roles.load();
  ConsumerHistory history;
  CopyState(file->states[roles.current & 3], history.current);
  if (roles.pending != kNone) CopyState(file->states[roles.pending & 3], history.pending.emplace());
  if (roles.previous != kNone) {
    CopyState(file->states[roles.previous & 3], history.previous.emplace());
  }
  return history;
}

absl::StatusOr<std::vector<EpisodeRecord>> Ledger::ReadEpisodes(const MappedFile& mapping,
                                                                uint64_t from) {
  const File* file = mapping.At<File>(0);
  const uint64_t end = file->episode_count.load();
  // The oldest entries may be overwritten while they are copied: stay clear of the ring's edge.
  constexpr uint64_t kSafe = kEpisodeRing - 256;
  if (end > kSafe) from = std::max(from, end - kSafe);
  std::vector<EpisodeRecord> episodes;
  for (uint64_t i = from; i < end; ++i) episodes.push_back(file->episodes[i % kEpisodeRing]);
  if (file->episode_count.load() - from > kEpisodeRing) {
    return absl::UnavailableError("episodes were overwritten while they were read");
  }
  return episodes;
}

std::optional<LedgerName> ParseLedgerName(std::string_view file_name) {
  const size_t dot = file_name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const size_t dash = file_name.rfind('-', dot);
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  LedgerName name{.role = std::string(file_name.substr(0, dash))};
  if (!ParseNumber(file_name.substr(dash + 1, dot - dash - 1), name.index)) return std::nullopt;
  if (!ParseNumber(file_name.substr(dot + 1), name.incarnation)) return std::nullopt;
  return name;
}

std::string LedgerFileName(std::string_view role, uint32_t index, uint32_t incarnation) {
  return absl::StrCat(std::string(role), "-", index, ".", incarnation);
}

std::vector<std::pair<LedgerName, std::filesystem::path>> ListLedgers(
    const std::filesystem::path& directory) {
  std::vector<std::pair<LedgerName, std::filesystem::path>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (auto name = ParseLedgerName(entry.path().filename().string())) {
      found.emplace_back(*std::move(name), entry.path());
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.role, a.first.index, a.first.incarnation) <
           std::tie(b.first.role, b.first.index, b.first.incarnation);
  });
  return found;
}

}  // namespace millrace
