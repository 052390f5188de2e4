"""CartPole-v1 with Sample Factory's APPO, in one process or asynchronously in several.

The reward's scale and no recurrence are those of Sample Factory's own CartPole example; network,
learning rate and batch of `4 epochs` are those of configs/cartpole_ppo.yaml.
"""
import tempfile

import gymnasium
from sample_factory.algo.runners.runner import AlgoObserver
from sample_factory.algo.utils.misc import EPISODIC, ExperimentStatus
from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
from sample_factory.envs.env_utils import register_env
from sample_factory.train import make_runner

from episode_log import EpisodeLog, parse_arguments

SETTINGS = dict(
    algo="APPO", env="CartPole-v1", experiment="cartpole", restart_behavior="overwrite",
    device="cpu",
    use_rnn=False, recurrence=1, with_vtrace=False, reward_scale=0.1, nonlinearity="tanh",
    actor_critic_share_weights=False, num_envs_per_worker=64, rollout=32,
    gamma=0.99, gae_lambda=0.95, ppo_clip_ratio=0.2,
    exploration_loss_coeff=0.0, max_grad_norm=0.5, learning_rate=2.5e-3)
WORKERS = {
    "serial": dict(serial_mode=True, async_rl=False, num_workers=1, worker_num_splits=1),
    "async": dict(serial_mode=False, async_rl=True, num_workers=2, worker_num_splits=2)}
BATCHES = {
    1: dict(num_epochs=1, batch_size=2048, num_batches_per_epoch=1),
    4: dict(num_epochs=4, batch_size=256, num_batches_per_epoch=8)}


def make_env(name, _config=None, _env_config=None, render_mode=None):
    return gymnasium.make(name, render_mode=render_mode)


def make_config(arguments, directory):
    settings = SETTINGS | WORKERS[arguments.mode] | BATCHES[arguments.epochs]
    settings |= dict(seed=arguments.seed, train_for_env_steps=arguments.steps, train_dir=directory)
    options = [f"--{name}={value}" for name, value in settings.items()]
    options += ["--encoder_mlp_layers", "64", "64"]
    parser, _ = parse_sf_args(options)
    return parse_full_cfg(parser, options)


def trained_steps(runner):
    """Without what is sampled but not trained on: the sampler tells only every few seconds."""
    return runner.env_steps.get(0, 0)


class LogEpisodes(AlgoObserver):
    def __init__(self, log):
        self._log = log

    def on_episode(self, runner, message, _policy_id):
        self._log.finish_episode(message[EPISODIC]["reward"], trained_steps(runner))

    def on_training_step(self, runner, _iteration):
        self._log.report(trained_steps(runner))


def main():
    arguments = parse_arguments(__doc__, mode=list(WORKERS), epochs=list(BATCHES))
    observer = LogEpisodes(EpisodeLog())
    register_env("CartPole-v1", make_env)
    with tempfile.TemporaryDirectory() as directory:
        _, runner = make_runner(make_config(arguments, directory))
        runner.register_observer(observer)
        runner.register_episodic_stats_handler(observer.on_episode)
        status = runner.init()
        if status == ExperimentStatus.SUCCESS:
            status = runner.run()
    return int(status != ExperimentStatus.SUCCESS)


if __name__ == "__main__":
    raise SystemExit(main())
