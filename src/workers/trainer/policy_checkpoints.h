// When the leader of a trainer group writes what of the run's checkpoints.
//
//   first policy    checkpoints/TRAIN_STEPS/                its part and one of every other policy
//   other policies  checkpoints/.parts/POLICY/TRAIN_STEPS/  their own parts
//
// The parts joined are each policy's newest. In a deterministic run they must all be of one batch,
// or the run could not go on from there as if it had never stopped: the first policy's leader names
// the batch under "checkpoint/batch", and at the end all leaders agree on the last batch that
// everybody trained. Leaders remember their last parts for that: since a segment begins with the
// credits of all policies, none is more than a batch ahead of another.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control/control_client.h"
#include "core/doorbell.h"
#include "core/run_paths.h"
#include "workers/trainer/checkpoint_writer.h"
#include "workers/trainer/trainer_checkpoint.h"

namespace millrace {

struct PolicyCheckpointsOptions {
  RunPaths paths;
  std::vector<std::string> policies;  // of the run, in order
  size_t policy = 0;                  // which one this leader trains
  ParameterLayout layout;             // of this policy
  uint64_t seed = 0;
  double every_seconds = 60;
  int keep = 3;
  bool deterministic = false;
};

// Bound to the trainer's main thread; encoding and writing happen on the writer's thread.
class PolicyCheckpoints {
 public:
  using MakePart = std::function<PolicyPart()>;

  // `control`, `bell` and `ledger` outlive it.
  static absl::StatusOr<std::unique_ptr<PolicyCheckpoints>> Create(PolicyCheckpointsOptions options,
                                                                   ControlClient* control,
                                                                   Doorbell* bell, Ledger* ledger);

  // Whether Update() would begin one.
  bool Due() const { return Expired(next_); }
  // The first checkpoint of a run, before anything is trained.
  void WriteFirst(const MakePart& make);
  // Called between batches, and now and then while none comes: writes what is due. `batch` is how
  // many are trained.
  void Update(uint64_t batch, const MakePart& make);
  // The last checkpoint. Waits for the other policies' parts until `deadline`, but not for the
  // disk.
  absl::Status WriteLast(uint64_t batch, const MakePart& make, Deadline deadline);
  // Waits for the disk.
  absl::Status Finish(Deadline deadline) { return writer_->Finish(deadline); }

 private:
  PolicyCheckpoints(PolicyCheckpointsOptions options, ControlClient* control, Doorbell* bell)
      : options_(std::move(options)), control_(control), bell_(bell) {}

  bool first() const { return options_.policy == 0; }
  const std::string& policy() const { return options_.policies[options_.policy]; }
  // Whether parts must be of one batch.
  bool in_step() const { return options_.deterministic && options_.policies.size() > 1; }
  void Remember(uint64_t batch, const MakePart& make);
  const PolicyPart* Remembered(uint64_t batch) const;
  void Write(PolicyPart part, bool last = false);
  void WriteWhatIsAsked();
  void ScheduleNext();
  // Waits until every policy has put a key below `prefix`; false if one has not in time.
  bool AwaitAll(const std::string& prefix, Deadline deadline);
  PolicyPart LastPart(uint64_t batch, const MakePart& make, Deadline deadline);

  const PolicyCheckpointsOptions options_;
  ControlClient* const control_;
  Doorbell* const bell_;
  Clock::time_point next_;
  std::deque<PolicyPart> remembered_;    // in_step(): the newest last
  std::optional<uint64_t> written_;      // in_step(): the batch of the newest part written
  std::vector<CheckpointStore> others_;  // first(): the other policies' parts
  const std::shared_ptr<std::atomic<bool>> ending_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<CheckpointWriter> writer_;
};

}  // namespace millrace
