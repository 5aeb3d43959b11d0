"""What the answer sheet must say of the invented attack at minutes 1, 5, 20 and 60, by hand from what is filed, not from the program.

Nobody of the register lives there: that is said as what it is, and nobody is called safe who was not reached. The embassy's own text
message speaks as of minute 10.
"""

from __future__ import annotations

from tests.story.turkiye_expected import Fig, Instant, Tot

WINDHOEK, PRETORIA, POLICE = "mission:kbri-windhoek", "mission:kbri-pretoria", "kepolisian setempat"
NOT_REGISTERED = "Belum ada WNI yang tercatat di wilayah tersebut dalam data lapor diri."
NEVER = ("selamat", "aman", "tidak ada korban", " 0 WNI")
NONE_SO_FAR = "Hingga saat ini belum ada laporan mengenai WNI yang meninggal dunia."
NONE_FOUND = "Hasil pengecekan hingga saat ini: tidak ditemukan WNI yang meninggal dunia."
INJURED_1 = Fig(
    "KBRI Windhoek, text of minute 10: one citizen injured, visited by staff", "injured", "NA", 1, source=WINDHOEK, claim="contact_made"
)
NO_DEATH = Fig("KBRI Windhoek, text of minute 10: asked, no death reported", "dead", "NA", "none_reported", source=WINDHOEK)
HOST = ("mixed", "host_state", "host_state", POLICE)

INSTANTS = (
    Instant(
        at="2020-02-29T10:01+02:00",
        why="the register alone: nobody is known to be there, and how many really are is not known",
        totals=(Tot("(nothing filed)", "ours", "dead", "not_known"), Tot("(nothing filed)", "ours", "injured", "not_known")),
        absent=(("dead", "NA"), ("injured", "NA"), ("estimated_present", "NA")),
        not_known=("unaccounted",),
        sentence_has=("masih dikumpulkan",),
        sentence_lacks=(*NEVER, "belum ada laporan"),
    ),
    Instant(
        at="2020-02-29T10:05+02:00",
        why="one tap from the embassy that was hit: nobody has asked anybody yet, which is no 'none'",
        stands=(Fig("KBRI Windhoek, minute 3: nothing known yet", "dead", "NA", "not_asked", source=WINDHOEK),),
        totals=(
            Tot("KBRI Windhoek, minute 3: not asked", "ours", "dead", "not_asked", places="NA"),
            Tot("KBRI Windhoek, minute 3: not asked", "ours", "injured", "not_asked", places="NA"),
        ),
        sentence_has=("masih dikumpulkan",),
        sentence_lacks=(*NEVER, "belum ada laporan"),
    ),
    Instant(
        at="2020-02-29T10:20+02:00",
        why="by text: one injured, no death reported; the police's total is theirs and is not added",
        stands=(
            INJURED_1,
            NO_DEATH,
            Fig("police, minute 12: 4 dead of all nationalities", "dead", "NA", 4, *HOST),
            Fig("police, minute 12: 19 injured of all nationalities", "injured", "NA", 19, *HOST),
        ),
        totals=(
            Tot("KBRI Windhoek, minute 10: one citizen", "ours", "injured", "number", 1, 1, "NA"),
            Tot("KBRI Windhoek, minute 10: none reported", "ours", "dead", "none_reported", places="NA"),
            Tot("police, minute 12", "host_casualties", "dead", "number", 4, 4, "NA"),
            Tot("police, minute 12", "host_casualties", "injured", "number", 19, 19, "NA"),
        ),
        absent=(("sheltering", "NA"), ("safe", "NA")),
        sentence_has=(NONE_SO_FAR, "1 WNI dilaporkan luka-luka."),
        sentence_lacks=NEVER,
    ),
    Instant(
        at="2020-02-29T11:00+02:00",
        why="five of the seven are citizens, the foreign spouse stands apart; the newer word is that lists and mortuary were checked",
        stands=(
            INJURED_1,
            Fig("KBRI Pretoria, minute 39: lists, hospitals and mortuary checked", "dead", "NA", 0, source=PRETORIA),
            Fig(
                "KBRI Pretoria, minute 25: foreign spouse of staff injured",
                "injured",
                "NA",
                1,
                "foreign_family",
                source=PRETORIA,
            ),
            Fig("KBRI Pretoria, minute 39: 5 of the 7 are citizens", "sheltering", "NA", 5, source=PRETORIA),
            Fig("KBRI Pretoria, minute 39: 2 of the 7 are foreigners", "sheltering", "NA", 2, "foreign_helped", source=PRETORIA),
            Fig("KBRI Pretoria, minute 25: the community was asked how many", "estimated_present", "NA", "no_answer_yet", source=PRETORIA),
            Fig("KBRI Pretoria, minute 50: reached by the hotel's telephone", "safe", "NA", 1, source=PRETORIA, claim="contact_made"),
            Fig("police, minute 33: 6 dead of all nationalities", "dead", "NA", 6, *HOST),
            Fig("police, minute 33: 31 injured of all nationalities", "injured", "NA", 31, *HOST),
        ),
        totals=(
            Tot("KBRI Windhoek, minute 10: one citizen, the spouse is not added", "ours", "injured", "number", 1, 1, "NA"),
            Tot("KBRI Pretoria, minute 39: checked, none found", "ours", "dead", "none_found", 0, 0, "NA"),
            Tot("KBRI Pretoria, minute 50: the one sought was reached", "ours", "unaccounted", "none_found", 0, 0, "NA"),
            Tot("police, minute 33", "host_casualties", "dead", "number", 6, 6, "NA"),
            Tot("police, minute 33", "host_casualties", "injured", "number", 31, 31, "NA"),
        ),
        sentence_has=(NONE_FOUND, "1 WNI dilaporkan luka-luka."),
        sentence_lacks=NEVER,
    ),
)
