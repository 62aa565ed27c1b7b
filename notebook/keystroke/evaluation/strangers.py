"""How the typing model takes typists who are not enrolled."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from keystroke.evaluation.folds import first_and_last
from keystroke.evaluation.rates import Trials, equal_error_rate, frr_at
from keystroke.evaluation.recognizers import Sample, fit_typing_model
from keystroke.models.decisions import STRANGER_FOLDS, evidence
from keystroke.models.timings import Ints, as_times


@dataclass(frozen=True)
class Strangers:
    """How the typing model takes typists who are not enrolled.

    Attributes
    ----------
    auroc : float
        Of the best user's score: that an enrolled user's is above a stranger's.
    known_rejected, strangers_rejected : float
        Shares that look unknown by the model's own threshold.
    false_acceptance_rate, false_rejection_rate : float
        Of strangers' and of users' own claims, by the model's own threshold.
    eer : float
        Pooled, with strangers' claims as the impostor trials.
    frr_at_far_1 : float
    """

    auroc: float
    known_rejected: float
    strangers_rejected: float
    false_acceptance_rate: float
    false_rejection_rate: float
    eer: float
    frr_at_far_1: float

    def as_metrics(self) -> dict[str, float]:
        """Return the rates by the names that the manifest has for them."""
        return {
            'AUROC': self.auroc,
            'knownRejected': self.known_rejected,
            'strangersRejected': self.strangers_rejected,
            'falseAcceptanceRate': self.false_acceptance_rate,
            'falseRejectionRate': self.false_rejection_rate,
            'EER': self.eer,
            'frrAtFar1': self.frr_at_far_1,
        }


def meet_strangers(sample: Sample) -> Strangers:
    """Leave a fifth of the users out of enrollment, in turn, and let them type all the same.

    Enrolled users and strangers are asked about on the last quarter of their typings, the former
    are enrolled with the rest; nothing is fitted to the strangers.

    Parameters
    ----------
    sample : Sample
        Of three users at least.
    """
    C = int(sample.y.max()) + 1
    # A fixed shuffle: UserIDs may be numbered by site or by date.
    shuffled = np.random.default_rng(0).permutation(C)
    train, last = first_and_last(sample.y)
    known, unknown, own, others = [], [], [], []
    known_rejected, strangers_rejected, accepted, refused = [], [], [], []
    parts = min(STRANGER_FOLDS, C)
    for part in range(parts):
        enrolled = np.setdiff1d(np.arange(C), shuffled[part::parts])
        if len(enrolled) < 2:
            continue
        is_enrolled = np.isin(sample.y, enrolled)

        def encoded(rows: Ints, enrolled: Ints = enrolled) -> Sample:
            chosen = sample.at(rows)
            return Sample(chosen.press, chosen.release, np.searchsorted(enrolled, chosen.y))

        model = fit_typing_model(encoded(train[is_enrolled[train]]))
        match, least_known = model.thresholds(1)
        inside, outside = encoded(last[is_enrolled[last]]), sample.at(last[~is_enrolled[last]])
        inside_scores, outside_scores = (
            model.scaled_scores(as_times(s.press, s.release)) for s in (inside, outside)
        )
        own.append(evidence(inside_scores)[np.arange(len(inside.y)), inside.y])
        claims = evidence(outside_scores)
        others.append(claims.ravel())
        known.append(inside_scores.max(axis=1))
        unknown.append(outside_scores.max(axis=1))
        known_rejected.append(known[-1] <= least_known[inside_scores.argmax(axis=1)])
        strangers_rejected.append(unknown[-1] <= least_known[outside_scores.argmax(axis=1)])
        accepted.append((claims > match).ravel())
        refused.append(own[-1] <= match[inside.y])

    genuine, impostor = np.concatenate(own), np.concatenate(others)
    trials = Trials(
        np.concatenate([genuine, impostor]),
        np.repeat([0, -1], [len(genuine), len(impostor)]),
        np.zeros(len(genuine) + len(impostor), dtype=np.int64),
    )
    far, frr = trials.curve()
    best = np.concatenate([*known, *unknown])
    is_known = np.repeat([1, 0], [sum(map(len, known)), sum(map(len, unknown))])
    return Strangers(
        auroc=float(roc_auc_score(is_known, best)),
        known_rejected=float(np.concatenate(known_rejected).mean()),
        strangers_rejected=float(np.concatenate(strangers_rejected).mean()),
        false_acceptance_rate=float(np.concatenate(accepted).mean()),
        false_rejection_rate=float(np.concatenate(refused).mean()),
        eer=equal_error_rate(far, frr),
        frr_at_far_1=frr_at(far, frr, 0.01),
    )
