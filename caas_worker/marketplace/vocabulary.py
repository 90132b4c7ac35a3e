"""The words that the sample people are made of, as parameters of the statements in this package's .sql files."""

FIRST_NAMES = (
    "Adam Aisha Alice Amara Amelia Amir Anna Arjun Ben Carla Carlos Charlotte Chloé Daniel David Dylan Elena Ella "
    "Emily Emma Ethan Eva Farah Finn Freya George Grace Hana Hannah Harry Hugo Ibrahim Imran Isla Ivan Jack Jamal "
    "James Jasmine José Julia Kai Kate Kofi Laila Laura Leo Lily Lucas Lucy Maria Marta Max Maya Mei Mia Mohammed "
    "Nadia Natasha Noah Nora Oliver Olivia Omar Oscar Owen Priya Rania Rhys Rosa Ruby Sam Sara Sean Siân Sofia Sunita "
    "Tara Theo Thomas Toby Uma Victor Wei William Yara Yusuf Zara Zoë"
)

LAST_NAMES = (
    "Adams Ahmed Ali Allen Baker Begum Bell Bennett Brown Campbell Carter Chan Chen Clark Cohen Collins Cooper Costa "
    "Davies Diaz Edwards Evans Fernández Fischer Foster García Green Griffiths Gupta Hall Harris Hassan Hill Hughes "
    "Hussain Iyer Jackson James Jones Kaur Kelly Khan Kim Kowalski Kumar Lee Lewis Lopez MacDonald Martin Mensah "
    "Mitchell Moore Morgan Morris Müller Murphy Nguyen Novak O'Brien Okafor Owusu Park Parker Patel Phillips Price "
    "Quinn Rahman Reid Roberts Robinson Rossi Russo Scott Shah Silva Singh Smith Stewart Suzuki Taylor Thompson "
    "Turner Walker Ward Watson White Williams Wilson Wood Wright Young"
)

SUBJECTS = (
    "Maths",
    "English",
    "Physics",
    "Chemistry",
    "Biology",
    "French",
    "Spanish",
    "German",
    "History",
    "Geography",
    "Economics",
    "Computer science",
    "Music theory",
    "Piano",
    "Further maths",
    "Statistics",
)

PRAISE = (
    "Patient and clear.",
    "My daughter looks forward to every lesson.",
    "Explains it three ways until one of them fits.",
    "Passed my exam, thank you!",
    "Always on time and well prepared.",
)

COMPLAINTS = (
    "Started late twice.",
    "Nice, but we did not get through the plan.",
    "The connection kept dropping.",
    "Too fast for me.",
)

LECTURE = (
    "Let me first tell you all about it. An equation is a pair of scales, and whatever you do to one side you have to "
    "do to the other side too, so if you take three away on the left you take three away on the right, and if you "
    "divide the left by two you divide the right by two, and you go on like that, one step after the other, always "
    "the same on both sides, until the letter stands alone on the left and a number stands on the right, and then you "
    "put the number back where the letter was and look whether both sides still agree, and if they do not you go back "
    "through your steps and look for the one where you forgot a sign, because nearly always it was a sign."
)

PARAMETERS: dict[str, object] = {
    "first_names": FIRST_NAMES.split(),
    "last_names": LAST_NAMES.split(),
    "subjects": list(SUBJECTS),
    "praise": list(PRAISE),
    "complaints": list(COMPLAINTS),
    "lecture": LECTURE,
    "tutor_roles": ["{TUTOR}"] * 22 + ["{tutor}", "{Tutor}", "{TUTOR,AGENT}", "{TUTOR,STAFF}"],
    "client_roles": ["{CLIENT}"] * 26 + ["{client}", "{Client}", "{CLIENT,AGENT}", "{PARENT,CLIENT}"],
    "graph_statuses": ["ACTIVE"] * 16 + ["PENDING"] * 3 + ["BLOCKED"],
    "degrees": [
        "BACHELORS",
        "BACHELORS",
        "Bachelors",
        "MASTERS",
        "MASTERS",
        "masters",
        "PHD",
        "A_LEVELS",
        "",
        None,
        None,
    ],
    "qualifications": [
        "[]",
        "[]",
        '["QTS"]',
        '["QTS", "PGCE"]',
        '["PGCE"]',
        '["TEFL", "PGCE"]',
        '["qts"]',
        '{"education": "Masters", "certifications": ["QTS", "PGCE"]}',
        '{"education": "bachelors", "certifications": []}',
        '{"education": "PhD", "certifications": ["TEFL"]}',
    ],
}
