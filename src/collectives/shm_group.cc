#include "collectives/shm_group.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/process_identity.h"
#include "millrace/core/check.h"
#include "millrace/core/status.h"

namespace millrace {
namespace {

// Where all ranks have a core, a wait costs less in a spin than in two system calls.
constexpr auto kSpin = std::chrono::microseconds(100);
constexpr auto kCheckEvery = std::chrono::milliseconds(50);
// Large messages are moved in parts, so that the peer begins while the rest is copied.
constexpr size_t kPart = 32 << 10;
// Up to so many bytes of all ranks together, everybody adds everything up.
constexpr size_t kGatherBytes = 64 << 10;

std::chrono::nanoseconds SpinOf(int size) {
  const bool cores_for_all = static_cast<unsigned>(size) <= std::thread::hardware_concurrency();
  return cores_for_all ? std::chrono::nanoseconds(kSpin) : std::chrono::nanoseconds(0);
}

// What goes before every message.
struct Envelope {
  uint64_t operation = 0;  // how many there were before it
  uint64_t bytes = 0;
  bool operator==(const Envelope&) const = default;
};

}  // namespace

struct alignas(64) ShmGroup::Header {
  std::atomic<uint32_t> finished;
};

struct alignas(64) ShmGroup::Member {
  ProcessIdentity process;
  std::atomic<uint32_t> joined, left;
  Doorbell bell;
};

// `written` and `read` count bytes since the beginning.
struct ShmGroup::Ring {
  alignas(64) std::atomic<uint64_t> written;
  alignas(64) std::atomic<uint64_t> read;
  alignas(64) std::byte data[];
};

// One message on its way: envelope, then bytes.
struct ShmGroup::Transfer {
  Envelope due;             // what is sent, or is to be received
  Envelope envelope = due;  // the same on its way
  std::byte* data = nullptr;
  size_t done = 0;  // of envelope and bytes together

  bool opened() const { return done >= sizeof(Envelope); }
  bool complete() const { return done == sizeof(Envelope) + due.bytes; }
  // Where byte `done` lies, and how many there are behind it in one piece.
  std::pair<std::byte*, size_t> Next() {
    if (!opened()) {
      return {reinterpret_cast<std::byte*>(&envelope) + done, sizeof(Envelope) - done};
    }
    const size_t at = done - sizeof(Envelope);
    return {data + at, due.bytes - at};
  }
};

ShmGroup::ShmGroup(const ShmGroupOptions& options, std::unique_ptr<MappedFile> file)
    : options_(options), file_(std::move(file)), spin_(SpinOf(options.size)) {}

ShmGroup::~ShmGroup() {
  member(rank()).left.store(1, std::memory_order_release);
  for (int r = 0; r < size(); ++r) member(r).bell.Ring();
}

ShmGroup::Header& ShmGroup::header() const { return *file_->At<Header>(0); }

ShmGroup::Member& ShmGroup::member(int rank) const {
  return *file_->At<Member>(sizeof(Header) + static_cast<size_t>(rank) * sizeof(Member));
}

ShmGroup::Ring& ShmGroup::ring(int from, int to) const {
  const auto size = static_cast<size_t>(options_.size);
  const size_t index = static_cast<size_t>(from) * size + static_cast<size_t>(to);
  return *file_->At<Ring>(sizeof(Header) + size * sizeof(Member) +
                          index * (sizeof(Ring) + options_.ring_bytes));
}

absl::StatusOr<std::unique_ptr<ShmGroup>> ShmGroup::Join(const ShmGroupOptions& options) {
  const auto size = static_cast<size_t>(options.size);
  MILLRACE_CHECK(options.rank >= 0 && options.rank < options.size);
  MILLRACE_CHECK(options.ring_bytes > 0 && options.ring_bytes % 64 == 0);
  const size_t bytes =
      sizeof(Header) + size * sizeof(Member) + size * size * (sizeof(Ring) + options.ring_bytes);
  MILLRACE_ASSIGN_OR_RETURN(auto file, MappedFile::OpenOrCreate(options.file, bytes));
  std::unique_ptr<ShmGroup> group(new ShmGroup(options, std::move(file)));
  Member& self = group->member(options.rank);
  if (self.joined.load(std::memory_order_acquire) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "group ", options.file.string(), ": there is a rank ", options.rank, " already"));
  }
  self.process = ThisProcess();
  self.joined.store(1, std::memory_order_release);
  for (int r = 0; r < options.size; ++r) group->member(r).bell.Ring();
  MILLRACE_RETURN_IF_ERROR(group->AwaitAll());
  // All have it mapped: nothing is left behind by whoever dies from now on.
  std::error_code ignored;
  std::filesystem::remove(options.file, ignored);
  return group;
}

absl::Status ShmGroup::AwaitAll() {
  const Deadline deadline = After(options_.timeout);
  Doorbell& bell = member(rank()).bell;
  while (true) {
    const uint32_t seen = bell.Value();
    int there = 0;
    for (int r = 0; r < size(); ++r) {
      there += member(r).joined.load(std::memory_order_acquire) != 0 ? 1 : 0;
    }
    if (there == size()) return absl::OkStatus();
    if (Expired(deadline)) {
      return Finish(Lost("joining", absl::StrCat("only ", there, " ranks came")));
    }
    bell.Wait(seen, std::min(deadline, After(kCheckEvery)));
  }
}

absl::Status ShmGroup::Lost(const char* operation, const std::string& why) const {
  return absl::UnavailableError(absl::StrCat("trainer group, rank ", rank(), " of ", size(), ": ",
                                             operation, " failed: ", why));
}

absl::Status ShmGroup::Finish(absl::Status why) {
  finished_ = why;
  header().finished.store(1, std::memory_order_release);
  for (int r = 0; r < size(); ++r) member(r).bell.Ring();
  return why;
}

absl::Status ShmGroup::CheckPeers(const char* operation, const std::vector<bool>& needed) const {
  if (header().finished.load(std::memory_order_acquire) != 0) {
    return Lost(operation, "another rank has lost one");
  }
  for (int r = 0; r < size(); ++r) {
    if (!needed[static_cast<size_t>(r)]) continue;
    if (member(r).left.load(std::memory_order_acquire) != 0) {
      return Lost(operation, absl::StrCat("rank ", r, " has left"));
    }
  }
  return absl::OkStatus();
}

bool ShmGroup::Push(int to, Transfer& sent) {
  Ring& ring = this->ring(rank(), to);
  uint64_t written = ring.written.load(std::memory_order_relaxed);
  const size_t space = options_.ring_bytes - (written - ring.read.load(std::memory_order_acquire));
  size_t left = std::min(space, kPart);
  bool moved = false;
  while (left > 0 && !sent.complete()) {
    const auto [from, there] = sent.Next();
    const size_t at = written % options_.ring_bytes;
    const size_t part = std::min({left, there, options_.ring_bytes - at});
    std::memcpy(ring.data + at, from, part);
    written += part;
    sent.done += part;
    left -= part;
    moved = true;
  }
  if (moved) {
    ring.written.store(written, std::memory_order_release);
    member(to).bell.Ring();
  }
  return moved;
}

absl::StatusOr<bool> ShmGroup::Pop(const char* operation, int from, Transfer& received) {
  Ring& ring = this->ring(from, rank());
  uint64_t read = ring.read.load(std::memory_order_relaxed);
  size_t left = std::min<size_t>(ring.written.load(std::memory_order_acquire) - read, kPart);
  bool moved = false;
  while (left > 0 && !received.complete()) {
    const bool opening = !received.opened();
    const auto [to, wanted] = received.Next();
    const size_t at = read % options_.ring_bytes;
    const size_t part = std::min({left, wanted, options_.ring_bytes - at});
    std::memcpy(to, ring.data + at, part);
    read += part;
    received.done += part;
    left -= part;
    moved = true;
    if (!opening || !received.opened() || received.envelope == received.due) continue;
    const Envelope &due = received.due, &got = received.envelope;
    return absl::InternalError(absl::StrCat("trainer group, rank ", rank(), " of ", size(), ": ",
                                            operation, ": expected ", due.bytes, " bytes of rank ",
                                            from, " in operation ", due.operation, ", got ",
                                            got.bytes, " in operation ", got.operation));
  }
  if (moved) {
    ring.read.store(read, std::memory_order_release);
    member(from).bell.Ring();
  }
  return moved;
}

absl::Status ShmGroup::Exchange(const char* operation, std::span<const ConstBytes> to,
                                std::span<const Bytes> from) {
  if (!finished_.ok()) return finished_;
  const auto ranks = static_cast<size_t>(size());
  const auto self = static_cast<size_t>(rank());
  MILLRACE_CHECK(to.size() == ranks && from.size() == ranks &&
                 to[self].size() == from[self].size());
  if (!to[self].empty() && from[self].data() != to[self].data()) {
    std::memcpy(from[self].data(), to[self].data(), to[self].size());
  }
  std::vector<Transfer> sent(ranks), received(ranks);
  std::vector<bool> needed(ranks);
  for (size_t r = 0; r < ranks; ++r) {
    sent[r] = {.due = {operations_, to[r].size()}, .data = const_cast<std::byte*>(to[r].data())};
    received[r] = {.due = {operations_, from[r].size()}, .data = from[r].data()};
    needed[r] = r != self;
  }
  ++operations_;
  Doorbell& bell = member(rank()).bell;
  Deadline deadline = After(options_.timeout);
  while (std::ranges::count(needed, true) > 0) {
    const uint32_t seen = bell.Value();
    // Before looking for what has come: what a peer sent before it left counts.
    const absl::Status peers = CheckPeers(operation, needed);
    bool moved = false;
    for (size_t offset = 1; offset < ranks; ++offset) {
      const size_t next = (self + offset) % ranks, last = (self + ranks - offset) % ranks;
      moved |= Push(static_cast<int>(next), sent[next]);
      auto popped = Pop(operation, static_cast<int>(last), received[last]);
      if (!popped.ok()) return Finish(popped.status());
      moved |= *popped;
    }
    for (size_t r = 0; r < ranks; ++r) {
      if (r != self) needed[r] = !sent[r].complete() || !received[r].complete();
    }
    if (moved) {
      deadline = After(options_.timeout);
      continue;
    }
    if (!peers.ok()) return Finish(peers);
    if (spin_.Wait(bell, seen, std::min(deadline, After(kCheckEvery)))) continue;
    for (size_t r = 0; r < ranks; ++r) {
      if (!needed[r] || IsAlive(member(static_cast<int>(r)).process)) continue;
      return Finish(Lost(operation, absl::StrCat("rank ", r, " has died")));
    }
    if (Expired(deadline)) {
      const auto silent = std::ranges::find(needed, true) - needed.begin();
      return Finish(Lost(operation, absl::StrCat("rank ", silent, " was silent for ",
                                                 options_.timeout.count(), " ms")));
    }
  }
  return absl::OkStatus();
}

absl::Status ShmGroup::AllToAll(std::span<const ConstBytes> to, std::span<const Bytes> from) {
  return Exchange("all-to-all", to, from);
}

absl::Status ShmGroup::AllGather(ConstBytes own, Bytes all) {
  const auto ranks = static_cast<size_t>(size());
  MILLRACE_CHECK(all.size() == ranks * own.size());
  const std::vector<ConstBytes> to(ranks, own);
  std::vector<Bytes> from;
  for (size_t r = 0; r < ranks; ++r) from.push_back(all.subspan(r * own.size(), own.size()));
  return Exchange("all-gather", to, from);
}

template <typename T>
absl::Status ShmGroup::AllReduceSum(std::span<T> numbers) {
  const auto ranks = static_cast<size_t>(size());
  const auto add_up = [ranks](const std::byte* parts, std::span<T> sum) {
    const T* next = reinterpret_cast<const T*>(parts);
    std::copy_n(next, sum.size(), sum.data());
    for (size_t r = 1; r < ranks; ++r) {
      next += sum.size();
      for (size_t i = 0; i < sum.size(); ++i) sum[i] = static_cast<T>(sum[i] + next[i]);
    }
  };
  const Bytes bytes = std::as_writable_bytes(numbers);
  if (ranks * bytes.size() <= kGatherBytes) {
    scratch_.resize(ranks * bytes.size());
    MILLRACE_RETURN_IF_ERROR(AllGather(bytes, scratch_));
    add_up(scratch_.data(), numbers);
    return absl::OkStatus();
  }
  // Every rank adds up its part of the numbers, then hands it round.
  const auto part = [&](size_t r) {
    const size_t begin = numbers.size() * r / ranks, end = numbers.size() * (r + 1) / ranks;
    return numbers.subspan(begin, end - begin);
  };
  const std::span<T> mine = part(static_cast<size_t>(rank()));
  scratch_.resize(ranks * mine.size_bytes());
  std::vector<ConstBytes> to;
  std::vector<Bytes> from;
  for (size_t r = 0; r < ranks; ++r) {
    to.push_back(std::as_bytes(part(r)));
    from.push_back(Bytes(scratch_).subspan(r * mine.size_bytes(), mine.size_bytes()));
  }
  MILLRACE_RETURN_IF_ERROR(Exchange("all-reduce", to, from));
  add_up(scratch_.data(), mine);
  for (size_t r = 0; r < ranks; ++r) {
    to[r] = std::as_bytes(mine);
    from[r] = std::as_writable_bytes(part(r));
  }
  return Exchange("all-reduce", to, from);
}

template absl::Status ShmGroup::AllReduceSum<float>(std::span<float>);
template absl::Status ShmGroup::AllReduceSum<double>(std::span<double>);
template absl::Status ShmGroup::AllReduceSum<int64_t>(std::span<int64_t>);
template absl::Status ShmGroup::AllReduceSum<int32_t>(std::span<int32_t>);
template absl::Status ShmGroup::AllReduceSum<uint8_t>(std::span<uint8_t>);

absl::Status ShmGroup::Broadcast(Bytes bytes, int root) {
  std::vector<ConstBytes> to(static_cast<size_t>(size()));
  std::vector<Bytes> from(static_cast<size_t>(size()));
  if (rank() == root) {
    std::ranges::fill(to, ConstBytes(bytes));
    from[static_cast<size_t>(root)] = bytes;
  } else {
    from[static_cast<size_t>(root)] = bytes;
  }
  return Exchange("broadcast", to, from);
}

absl::Status ShmGroup::Barrier() {
  const std::vector<ConstBytes> to(static_cast<size_t>(size()));
  const std::vector<Bytes> from(static_cast<size_t>(size()));
  return Exchange("barrier", to, from);
}

}  // namespace millrace
