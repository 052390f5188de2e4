"""CartPole-v1 with Stable-Baselines3's PPO: CleanRL's recipe or that of RL Baselines3 Zoo."""
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from episode_log import EpisodeLog, parse_arguments


def falling(initial):
    """Stable-Baselines3 passes what is left of the run, from 1 to 0."""
    return lambda left: left * initial


CLEANRL = dict(n_steps=128, batch_size=128, n_epochs=4, learning_rate=falling(2.5e-4), gamma=0.99,
               gae_lambda=0.95, clip_range=0.2, clip_range_vf=0.2, ent_coef=0.01, vf_coef=0.5,
               max_grad_norm=0.5)
TUNED = dict(n_steps=32, batch_size=256, n_epochs=20, learning_rate=falling(1e-3), gamma=0.98,
             gae_lambda=0.8, clip_range=falling(0.2), ent_coef=0.0)
RECIPES = {"cleanrl": (4, CLEANRL), "tuned": (8, TUNED)}    # number of environments, settings


class LogEpisodes(BaseCallback):
    def __init__(self, log):
        super().__init__()
        self._log = log

    def _on_step(self):
        for info in self.locals["infos"]:
            if "episode" in info:
                self._log.finish_episode(info["episode"]["r"], self.num_timesteps)
        return True

    def _on_rollout_start(self):
        if self.num_timesteps > 0:    # the batch before it is trained on
            self._log.report(self.num_timesteps)

    def _on_training_end(self):
        self._log.report(self.num_timesteps)


def main():
    arguments = parse_arguments(__doc__, recipe=list(RECIPES))
    log = EpisodeLog()
    num_envs, settings = RECIPES[arguments.recipe]
    envs = make_vec_env("CartPole-v1", n_envs=num_envs, seed=arguments.seed)
    model = PPO("MlpPolicy", envs, seed=arguments.seed, device="cpu", **settings)
    model.learn(arguments.steps, callback=LogEpisodes(log))


if __name__ == "__main__":
    main()
