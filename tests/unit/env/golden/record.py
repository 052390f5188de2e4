"""Records the trajectories beside it: run in a virtual environment with gymnasium 1.4.0 and mujoco 3.17.0.

Of an episode it keeps the start, all actions, and what came of some of the steps.
"""

import json
import pathlib

import gymnasium
import mujoco
import numpy as np

FOLDER = pathlib.Path(__file__).parent


def balance(rng, state, seed):
    """A hand-made controller with some noise, or chance: long and short episodes."""
    if seed % 2:
        return np.int64(rng.integers(2))
    lean = state[2] + 0.3 * state[3] + 0.02 * state[0] + 0.05 * state[1]
    return np.int64(lean + 0.05 * rng.standard_normal() > 0)


def torque(rng, state, seed):
    """Also out of the box, where the environment clips."""
    return rng.uniform(-2.5, 2.5, 1).astype(np.float32)


def pump(speed):
    """Pushes the way state[speed] goes, or chance."""
    def choose(rng, state, seed):
        if seed:
            return np.int64(rng.integers(3))
        return np.int64(2 if state[speed] >= 0 else 0)
    return choose


def keep(step, length):
    return step <= 3 or step % 25 == 0 or step >= length - 1


def record_episode(env, rng, choose, seed):
    first_observation, _ = env.reset(seed=seed)
    state = np.asarray(env.unwrapped.state, np.float64)
    episode = {"seed": seed, "start": state.tolist(), "actions": [],
               "first_observation": first_observation.tolist()}
    steps = []
    over = False
    while not over:
        action = choose(rng, state, seed)
        observation, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        state = np.asarray(env.unwrapped.state, np.float64)
        episode["actions"].append(action.tolist())
        steps.append({"step": len(steps) + 1, "state": state.tolist(),
                      "observation": observation.tolist(), "reward": float(reward),
                      "terminated": bool(terminated), "truncated": bool(truncated)})
    episode["length"] = len(steps)
    episode["checkpoints"] = [s for s in steps if keep(s["step"], len(steps))]
    return episode


def record_locomotion(name, env_id, episodes=2, limit=60):
    """Through resets to a state with a cold solver: its warm start is not in qpos and qvel. Actions leave the box."""
    env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
    golden = {"environment": env_id, "gymnasium": gymnasium.__version__, "mujoco": mujoco.__version__, "episodes": []}
    for seed in range(episodes):
        rng = np.random.default_rng(seed)
        env.reset(seed=seed)
        qpos, qvel = env.data.qpos.copy(), env.data.qvel.copy()
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos, qvel)
        episode = {"seed": seed, "start": np.concatenate([qpos, qvel]).tolist(), "actions": [],
                   "first_observation": env._get_obs().tolist(), "checkpoints": []}
        terminated = False
        while not terminated and len(episode["actions"]) < limit:
            action = (1.2 * rng.uniform(env.action_space.low, env.action_space.high)).astype(np.float32)
            observation, reward, terminated, _, _ = env.step(action)
            episode["actions"].append(action.tolist())
            step = len(episode["actions"])
            if step in (1, 2, 10, 30, limit) or terminated:
                state = np.concatenate([env.data.qpos, env.data.qvel])
                episode["checkpoints"].append({"step": step, "state": state.tolist(),
                                               "observation": observation.tolist(), "reward": float(reward),
                                               "terminated": bool(terminated), "truncated": False})
        episode["length"] = len(episode["actions"])
        golden["episodes"].append(episode)
    write(name, golden)


def write(name, golden):
    text = json.dumps(golden, separators=(",", ":")) + "\n"
    (FOLDER / f"{name}.json").write_text(text)
    print(name, [episode["length"] for episode in golden["episodes"]], len(text), "bytes")


def record(name, env_id, choose, episodes):
    env = gymnasium.make(env_id, disable_env_checker=True)
    rng = np.random.default_rng(11)
    golden = {"environment": env_id, "gymnasium": gymnasium.__version__, "numpy": np.__version__,
              "episodes": [record_episode(env, rng, choose, seed) for seed in range(episodes)]}
    write(name, golden)


if __name__ == "__main__":
    record("cartpole", "CartPole-v1", balance, 3)
    record("pendulum", "Pendulum-v1", torque, 1)
    record("acrobot", "Acrobot-v1", pump(2), 2)
    record("mountain_car", "MountainCar-v0", pump(1), 2)
    record_locomotion("half_cheetah", "HalfCheetah-v5")
    record_locomotion("hopper", "Hopper-v5")
    record_locomotion("walker2d", "Walker2d-v5")
    record_locomotion("ant", "Ant-v5")
    record_locomotion("humanoid", "Humanoid-v5")
