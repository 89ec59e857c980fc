"""What follows from one poll: what is announced, to whom, and when. Pure functions over plain values.

decide_list → decide_feed → decide_endpoints → route → decide_heartbeats        (known, fetched, config, now) → Decision
"""

from datetime import datetime, timedelta
from hashlib import blake2b

from msgspec.structs import replace

from watcher.catalog import guard
from watcher.catalog.decision import Decision, Fetched, Known, SourceState
from watcher.catalog.endpoints import by_model, decide_endpoints, explain_repriced, provider_of
from watcher.catalog.feed import decide_feed, unknown_to
from watcher.catalog.model import Provider
from watcher.catalog.policy import Policy
from watcher.catalog.poll import decide_list
from watcher.catalog.settle import Moment
from watcher.config.settings import Config, SourceSettings
from watcher.mine.cost import Use, use_of
from watcher.rules.heartbeat import decide_heartbeats
from watcher.rules.routing import route
from watcher.rules.rules import my_models, subject, with_my_models

_STILL_TRUE = timedelta(days=2)
"""How long an answer about endpoints counts: after it, channels that name providers get the model's own price again."""


def decide(known: Known, fetched: Fetched, config: Config, now: datetime) -> Decision:
    """Decide what a poll announces, to whom and when; `now` (UTC) is when the source was asked."""
    if known.overtaken:
        return Decision("overtaken", known.list, known.feed)
    decision = Decision("good", known.list, known.feed)
    if not is_unchanged(known, fetched, config, now):
        query = list_query(config.source)
        decision = decide_list(known, fetched, config.announce, now, baseline=known.list.query != query)
        if decision.outcome == "good":
            listed = replace(decision.list, query=query, policy=fingerprint(config.announce))
            decision = replace(decision, list=listed)
    decision = _with_feed(decision, known, fetched, config, now)
    offering: dict[str, list[Provider]] = {}
    if config.source.endpoints == "mine":
        decision = _with_endpoints(decision, known, fetched, config, now)
        offering = _offering(decision, known, config, now)
    channels = with_my_models(config.channels, config.mine, known.mine)
    deliveries, prices = route(
        channels,
        decision.events,
        known.prices,
        now,
        offering,
        used=_used(known, decision, config),
        acknowledged=known.acknowledged,
    )
    heartbeats, queued = decide_heartbeats(config.channels, known, decision, now)
    return replace(decision, deliveries=deliveries + queued, prices=prices, heartbeats=heartbeats)


def _used(known: Known, decision: Decision, config: Config) -> dict[str, Use]:
    """Return how much is used of each model, or endpoint, whose price changes."""
    tokens = {**known.usage, **config.mine.tokens}
    before, after = {**known.states, **known.endpoints}, {**decision.states, **decision.endpoints}
    return {
        subject(event): use_of(tokens[event.model], before[subject(event)], after[subject(event)])
        for event in decision.events
        if event.prices and event.model in tokens and subject(event) in before  # an endpoint may have a new tag
    }


def is_unchanged(known: Known, fetched: Fetched, config: Config, now: datetime) -> bool:
    """Whether the list is the one that was judged last, and nothing in it has become due."""
    state = known.list
    wrong_clock = known.last_poll is not None and known.last_poll > now
    is_due = wrong_clock or (state.next_due is not None and now >= state.next_due)
    same_body = fetched.error is None and fetched.snapshot is None and state.digest == fetched.digest
    same_question = (state.query, state.policy) == (list_query(config.source), fingerprint(config.announce))
    return same_body and same_question and state.health.quiet and not is_due


def is_known_feed(known: Known, fetched: Fetched, config: Config) -> bool:
    """Whether the feed is the one that was read last."""
    return (known.feed.query, known.feed.digest) == (feed_query(config.source), fetched.feed_digest)


def _with_feed(decision: Decision, known: Known, fetched: Fetched, config: Config, now: datetime) -> Decision:
    """Add to the decision what follows from the feed, or why it could not be used."""
    states = {**known.states, **decision.states}
    if fetched.feed is None or not states:
        return replace(decision, feed_error=fetched.feed_error)
    query = feed_query(config.source)
    baseline = known.feed.query != query
    if baseline and not (fetched.feed and fetched.feed_whole):  # what the rest has would be news at the next poll
        return replace(decision, feed_error="the RSS feed is empty or was cut off, and the first one must be whole")
    unknown = unknown_to(states, fetched.feed)
    if not baseline and guard.too_many(len(unknown), len(states), config.announce):
        error = f"the feed has {len(unknown)} models that nobody knows, beside {len(states)} that are known"
        return replace(decision, feed_error=error)
    changed, events = decide_feed(unknown, now=now, baseline=baseline)
    return replace(
        decision,
        feed=SourceState(query, digest=fetched.feed_digest, models=len(fetched.feed)),
        feed_error=fetched.feed_error,
        states={**decision.states, **changed},
        events=decision.events + events,
    )


def _with_endpoints(decision: Decision, known: Known, fetched: Fetched, config: Config, now: datetime) -> Decision:
    """Add to the decision what follows from the answers about endpoints."""
    moment = Moment(now, None, config.announce)
    models = {**known.states, **decision.states}
    changed, asked, events = decide_endpoints(
        fetched.endpoints, known.endpoints, known.asked, models, moment, known.last_poll
    )
    explained = explain_repriced(decision.events, {**known.endpoints, **changed}, {**known.asked, **asked})
    problems = decision.problems
    failed = [(model, one.error) for model, one in asked.items() if one.error is not None]
    if failed and not any(one.error for one in known.asked.values()):
        # The first trouble; `watcher status` has the rest.
        problems += (f"the endpoints of {failed[0][0]} were not read: {failed[0][1]}",)
    return replace(decision, endpoints=changed, asked=asked, events=explained + events, problems=problems)


def _offering(decision: Decision, known: Known, config: Config, now: datetime) -> dict[str, list[Provider]]:
    """Return who offers each model of mine, as far as it is known from not too long ago."""
    asked = {**known.asked, **decision.asked}
    answered = [model for model, one in asked.items() if one.answered and now - one.answered <= _STILL_TRUE]
    states = by_model({**known.endpoints, **decision.endpoints})
    return {
        model: [provider_of(state.model) for state in states.get(model, {}).values() if state.present]
        for model in my_models(answered, config.mine, known.mine)
    }


def after(known: Known, decision: Decision, now: datetime) -> Known:
    """Return what is remembered after a poll, for a run that keeps it in memory."""
    return replace(
        known,
        list=decision.list,
        feed=decision.feed,
        last_good=now if decision.outcome == "good" else known.last_good,
        last_poll=now,
        states={**known.states, **decision.states},
        endpoints={**known.endpoints, **decision.endpoints},
        asked={**known.asked, **decision.asked},
        prices={key: prices for key, prices in {**known.prices, **decision.prices}.items() if prices},
        heartbeats={**known.heartbeats, **decision.heartbeats},
    )


def list_query(source: SourceSettings) -> str:
    """Return address and parameters of the list, which a baseline is for."""
    path = "/models/user" if source.account else ""
    return f"{source.url}{path}?{'&'.join(f'{key}={value}' for key, value in sorted(source.query.items()))}"


def feed_query(source: SourceSettings) -> str:
    """Return address and parameters of the feed."""
    return list_query(source) + "&use_rss=true"


def fingerprint(policy: Policy) -> str:
    """Return a digest of the policy: a changed one must be applied although the list is the same."""
    return blake2b(repr(policy).encode(), digest_size=8).hexdigest()
