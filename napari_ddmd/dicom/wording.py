"""How scanners and people name series, in English, German and French: the words that tell what is shown."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_AGENTS: Final = r"gd|gad\w*|km|dotarem|magnevist|prohance|multihance|vueway|elucirem|clariscan|primovist"
_CONTRAST: Final = rf"(?:{_AGENTS}|c|ce|contrast\w*|kontrast\w*|inj\w*|iv|pdc|produit \w+)"
# What an image may be made before or after, beside the injection.
_EVENT: Final = r"(?:op|operati\w*|surg\w*|resect\w*|biops\w*|rt|rtx|radio\w*|chemo\w*|therap\w*|treat\w*)"

_NOT_GIVEN: Final = "".join(rf"(?<!\b{word} )" for word in ("post", "nach", "mit", "with", "after", "apres", "avec"))

# First come the words in which a sign means something; then every other sign is a space.
_SIGNS: Final = (
    (r"\bw\s*/\s*wo?\b|\bw\s*/?\s*wo\b", " "),  # "with and without" is the name of an examination
    (r"\bw\s*/\s*o\b|\bo\.\s*(?=km|kontrast)", " without "),
    (r"t2\s*\*", " t2star "),
    # A minus behind an agent, but for the dash between words, and where a word before it says that it was given.
    (rf"(?<!\+)(?<!\+ ){_NOT_GIVEN}\b(?:c|km|iv|gd|gado?)(?:-(?!\w)|\s+-$)", " native "),
    (r"\+\s*(?:c|k|km|ce|gd\w*|gad\w*)\b|\b(?:c|km|gd)\s*\+", " gd "),
    (r"(?:^|\s)-\s*(?:c|gd|km)\b", " native "),
    (r"[^a-z0-9]+", " "),
)

LEFT_OUT: Final = (
    (
        "scout",
        r"\w*scout\w*|lo[ck]ali[sz]\w*|localiz\w*|survey|loc|topogram\w*|3 ?pl(ane|an)?|tri ?plan\w*|smartbrain"
        r"|repere|reperage|ubersicht\w*|uebersicht\w*",
    ),
    (
        "calibration",
        r"calib\w*|asset cal|ref ?scan|sense ?ref\w*|coil ?sens\w*|field ?map\w*|b0 ?map\w*|gre field|shim\w*",
    ),
    ("diffusion", r"dwi\w*|\w*diff\w*|dti\w*|e?adc\w*|trace\w*|tensor|ivim|b ?\d{3,4}|fa|colfa|resolve|\w*dwi"),
    (
        "perfusion",
        r"\w*perf\w*|pwi|dsc|dce|r?cbv\w*|r?cbf\w*|mtt|ttp|tmax|p?c?asl|twist|dyn|dynam\w*|t1 dyn\w*|fwhm",
    ),
    ("functional or echo planar", r"bold|fmri|rs ?fmri|rest|resting|moco\w*|ep2d|epi"),
    (
        "susceptibility or T2*",
        r"swi\w*|swan|venbold|qsm|pha|suscep\w*|suszep\w*|\w*t2star|t2s|t2 ?(w )?(tra |ax |sag |cor )*(ffe|gre|fl2d|"
        r"fgre|flash)\w*|hemo\w*|haemo\w*|hamo\w*|me2d\w*|medic",
    ),
    ("vessels", r"\w*tof\w*|mra|mrv|mr angio\w*|angio\w*|veno\w*|pca|pc ?3d|arteri\w*|willis|cow"),
    ("nerves or cisterns", r"ciss|fiesta\w*|trufi|true ?fisp|b ?ffe|balanced"),
    ("spectroscopy", r"svs|csi|mrs|spectro\w*|spektro\w*"),
    (
        "computed from others",
        r"sub|subtr\w*|soustr\w*|mip|minip|maps?|t[12]map\w*|fused|fusion|overlay|synth\w*|inv ?[12]",
    ),
    (
        "another part of the body",
        r"hws|bws|lws|[ctl]? ?spine|wirbel\w*|rachis|cerv\w*|lumb\w*|orbit\w*|neck|hals\w*|hypophys\w*|pituitary|sella"
        r"|iac|cai|rochers?|felsenbein\w*|tmj|knie|knee",
    ),
    ("STIR", r"stir"),
    ("double inversion", r"dir|double ?inv\w*"),
)
"""What is left out, and the words that say so."""

_T1: Final = re.compile(r"(?<![c0-9])t1(?![0-9])")
_T2: Final = re.compile(r"(?<![0-9])t2(?![0-9])")
_FLAIR: Final = re.compile(r"flair|dark ?fluid|\btirm\b|\w*tirm")
_T1_SEQUENCES: Final = re.compile(r"\b(mp ?2? ?rage|mpr|\w*mprage|bravo|f?spgr|vibe|thrive|\d?d? ?tfe)\b")
_PROTON_DENSITY: Final = re.compile(r"\b(pd|pdw|dp|dpw|proton\w*|densit\w*)\b")
_NATIVE: Final = re.compile(
    rf"\b(pre(?! ?{_EVENT}\b)|pre ?contrast|prae ?km|nativ|native|nat|basal)\b"
    r"|\b(un|non|not|nicht) ?enhanced\b|\b(kontrast(mittel)?|km) ?(los|frei)\w*"
    rf"|\b(ohne|sans|without|avant|before|vor|no|non|wo) ?{_CONTRAST}\b|\b(not|sin|sem|senza) {_CONTRAST}\b"
    rf"|\b{_CONTRAST} (none|neg\w*|(no|ohne)$)"
    r"|\b(without|wo)$|\bnoncon\w*"
)
# DICOM calls multi-frame files "enhanced", and converters write so into descriptions.
_ENHANCED: Final = re.compile(
    rf"\b({_AGENTS}|ce|cm|c|post(?! ?{_EVENT}\b)|contrast\w*|kontrast\w*|inj\w*|iv|enhanced(?! conversion))\b"
    rf"|t1w?(gd|gad\w*|ce|c|km|post|kontrast\w*)(?![a-z])"
)
_LEFT_OUT: Final = tuple((why, re.compile(rf"\b(?:{words})\b")) for why, words in LEFT_OUT)


def plain_words(text: str) -> str:
    """Return a description in plain lower-case words, without accents, underscores and other signs.

    Examples
    --------
    >>> plain_words("T1_SE_tra+KM (Schädel)")
    't1 se tra gd schadel'
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    words = "".join(letter for letter in letters if not unicodedata.combining(letter)).replace("_", " ")
    for sign, meaning in _SIGNS:
        words = re.sub(sign, meaning, words)
    return words.strip()


def left_out(words: str) -> str | None:
    """Return why a series is no candidate, by its plain words; None where nothing speaks against it."""
    for why, pattern in _LEFT_OUT:
        if pattern.search(words):
            return why
    return None


def family(words: str) -> str | None:
    """Return ``"t1"``, ``"t2"``, ``"flair"`` or ``"pd"`` by plain words; None where they say nothing."""
    is_t1, is_t2 = bool(_T1.search(words)), bool(_T2.search(words))
    if _FLAIR.search(words):
        # "T1 FLAIR" is a T1 image whose fluid is dark.
        return "t1" if is_t1 and not is_t2 else "flair"
    if is_t2:
        return "t2"
    if is_t1:
        return "t1"
    if _PROTON_DENSITY.search(words):
        return "pd"
    return "t1" if _T1_SEQUENCES.search(words) else None


def contrast(words: str) -> bool | None:
    """Tell whether plain words say that a contrast agent was given; None where they do not say."""
    if _NATIVE.search(words):
        return False
    return True if _ENHANCED.search(words) else None
