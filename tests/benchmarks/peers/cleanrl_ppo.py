"""CartPole-v1 with the settings of CleanRL's ppo.py (Huang et al. 2022, JMLR 23), in PyTorch.

Written from the published hyperparameters: 4 environments of 128 steps, 4 epochs of 4 minibatches,
two networks of 64 x 64 tanh, learning rate 2.5e-4 falling to 0.
"""
import dataclasses

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn
from torch.distributions import Categorical

from episode_log import EpisodeLog, parse_arguments

NUM_ENVS, UNROLL = 4, 128
EPOCHS, MINIBATCHES = 4, 4
LEARNING_RATE, ADAM_EPSILON = 2.5e-4, 1e-5
GAMMA, GAE_LAMBDA, CLIP = 0.99, 0.95, 0.2
ENTROPY_COEFFICIENT, VALUE_COEFFICIENT, MAX_GRADIENT_NORM = 0.01, 0.5, 0.5


def linear(inputs, outputs, gain=2 ** 0.5):
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def network(outputs, last_gain):
    return nn.Sequential(linear(4, 64), nn.Tanh(), linear(64, 64), nn.Tanh(),
                         linear(64, outputs, last_gain))


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = network(2, 0.01)
        self.critic = network(1, 1.0)

    def policy(self, observations):
        return Categorical(logits=self.actor(observations))

    def value(self, observations):
        return self.critic(observations).squeeze(-1)


@dataclasses.dataclass
class Rollout:
    """[UNROLL, NUM_ENVS, ...]; dones[t]: whether the episode ended with the step t."""
    observations: torch.Tensor
    actions: torch.Tensor
    log_probs: torch.Tensor
    rewards: torch.Tensor
    dones: torch.Tensor
    values: torch.Tensor

    @staticmethod
    def empty():
        scalars = [torch.zeros(UNROLL, NUM_ENVS) for _ in range(5)]
        return Rollout(torch.zeros(UNROLL, NUM_ENVS, 4), *scalars)

    def map(self, function):
        fields = dataclasses.fields(self)
        return Rollout(*(function(getattr(self, field.name)) for field in fields))


class Sampler:
    def __init__(self, agent, seed, log):
        self._agent, self._log = agent, log
        self._envs = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * NUM_ENVS,
                                   autoreset_mode=AutoresetMode.SAME_STEP)
        observations, _ = self._envs.reset(seed=seed)
        self._observations = torch.as_tensor(observations)
        self._returns = np.zeros(NUM_ENVS)
        self.env_steps = 0

    @torch.no_grad()
    def collect(self):
        """A rollout and the value of what comes after it, [NUM_ENVS]."""
        rollout = Rollout.empty()
        for t in range(UNROLL):
            policy = self._agent.policy(self._observations)
            actions = policy.sample()
            rollout.observations[t] = self._observations
            rollout.actions[t] = actions
            rollout.log_probs[t] = policy.log_prob(actions)
            rollout.values[t] = self._agent.value(self._observations)
            rewards, dones = self._step(actions)
            rollout.rewards[t] = torch.as_tensor(rewards)
            rollout.dones[t] = torch.as_tensor(dones)
        return rollout, self._agent.value(self._observations)

    def _step(self, actions):
        observations, rewards, terminated, truncated, _ = self._envs.step(actions.numpy())
        self._observations = torch.as_tensor(observations)
        self.env_steps += NUM_ENVS
        dones = terminated | truncated
        self._returns += rewards
        for index in np.flatnonzero(dones):
            self._log.finish_episode(self._returns[index], self.env_steps)
            self._returns[index] = 0.0
        return rewards, dones


def generalized_advantages(rollout, next_values):
    """Schulman et al. 2016, eq. 16 (arXiv:1506.02438)."""
    advantages = torch.zeros_like(rollout.rewards)
    following = torch.zeros(NUM_ENVS)
    for t in reversed(range(UNROLL)):
        discount = GAMMA * (1 - rollout.dones[t])
        error = rollout.rewards[t] + discount * next_values - rollout.values[t]
        advantages[t] = following = error + discount * GAE_LAMBDA * following
        next_values = rollout.values[t]
    return advantages


def ppo_loss(agent, batch, advantages, targets):
    policy, values = agent.policy(batch.observations), agent.value(batch.observations)
    ratio = (policy.log_prob(batch.actions) - batch.log_probs).exp()
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    gain = torch.min(advantages * ratio, advantages * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
    clipped = batch.values + (values - batch.values).clamp(-CLIP, CLIP)
    value_loss = 0.5 * torch.max((values - targets) ** 2, (clipped - targets) ** 2).mean()
    entropy = policy.entropy().mean()
    return VALUE_COEFFICIENT * value_loss - gain - ENTROPY_COEFFICIENT * entropy


def train_on(agent, optimizer, rollout, advantages):
    flat = rollout.map(lambda field: field.flatten(0, 1))
    advantages = advantages.flatten()
    targets = advantages + flat.values
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(targets)).chunk(MINIBATCHES):
            batch = flat.map(lambda field: field[rows])
            loss = ppo_loss(agent, batch, advantages[rows], targets[rows])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()


def main():
    arguments = parse_arguments(__doc__)
    log = EpisodeLog()
    torch.manual_seed(arguments.seed)
    agent = Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=ADAM_EPSILON)
    sampler = Sampler(agent, arguments.seed, log)
    batches = arguments.steps // (NUM_ENVS * UNROLL)
    for batch in range(batches):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - batch / batches)
        rollout, next_values = sampler.collect()
        train_on(agent, optimizer, rollout, generalized_advantages(rollout, next_values))
        log.report(sampler.env_steps)


if __name__ == "__main__":
    main()
