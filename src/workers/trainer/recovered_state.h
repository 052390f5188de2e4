// What a trainer has consumed, when its group forms (anew).
#pragma once

#include <optional>

#include "data/ledger.h"
#include "workers/trainer/trainer_checkpoint.h"
#include "workers/trainer/trainer_group.h"

namespace millrace {

// What this rank has consumed in the lineage of the group's parameters: of `history`, its previous
// incarnation's ledger, what the parameters of the formation's winner hold; the rest is rolled
// back. `of_batch`: what this rank has of every batch, if it may not have been there for all that
// the checkpoint says of its leader, as where there were fewer trainers once.
ConsumerState RecoveredState(const Formation& formation,
                             const std::optional<Ledger::ConsumerHistory>& history,
                             const std::optional<PolicyPart>& checkpoint,
                             const std::optional<SegmentCount>& of_batch);

}  // namespace millrace
