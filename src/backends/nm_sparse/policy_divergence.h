// How far apart two policies are.
#pragma once

#include "millrace/data/spaces.h"
#include "millrace/models/policy.h"

namespace millrace {

// The Kullback-Leibler divergence KL(p || q) of the action distributions that heads [..., C] stand
// for (a softmax per discrete component and a diagonal Gaussian), in nats: the mean over rows.
// Masked choices, at -1e9 in both, add nothing. Thread-safe.
double PolicyDivergence(const ActionSpec& action, const HeadOutputs& p, const HeadOutputs& q);

}  // namespace millrace
