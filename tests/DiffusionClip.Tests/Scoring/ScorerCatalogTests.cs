using System.Text.Json;
using DiffusionClip.Models;
using DiffusionClip.Runtime;
using DiffusionClip.Tokenization;

namespace DiffusionClip.Scoring;

public sealed class ScorerCatalogTests
{
    private static readonly string TinyModels = Golden.PathOf("tiny-models");
    private static readonly GeneratorFolder Generator = Folders.Generator(Path.Combine(Golden.Repository, "models", "emoji-sd"));

    private readonly FakeStore _store = new();
    private readonly List<string> _warnings = [];

    [Theory]
    [InlineData("clip-tiny-random", "clip-tiny-random=1")]
    [InlineData("clip-tiny-random=1,facts=0.5", "clip-tiny-random=1,facts=0.5")]
    [InlineData(" clip-tiny-random = 2 , FACTS=0", "clip-tiny-random=2,facts=0")]
    [InlineData("facts,clip-tiny-random=1e1", "facts=1,clip-tiny-random=10")]
    [InlineData("none", "")]
    public void The_shorthand_names_scorers_with_weights(string shorthand, string expected)
    {
        IReadOnlyList<ScorerChoice> choices = Choose(new() { Scorer = shorthand, Combination = ScoreCombination.MeanRank });
        Assert.Equal(
            expected,
            string.Join(',', choices.Select(choice => FormattableString.Invariant($"{choice.Request.Id}={choice.Request.Weight}"))));
        Assert.All(choices, choice => Assert.False(choice.Request.Optional));
        string again = ScorerShorthand.Format([.. choices.Select(choice => choice.Request)]);
        Assert.Equal(choices.Select(choice => choice.Request.Id), ScorerShorthand.Parse(again).Select(scorer => scorer.Id));
    }

    [Theory]
    [InlineData("a=x", "'x' is no weight")]
    [InlineData("a=", "'' is no weight")]
    [InlineData("a,,b", "give ids with their weights")]
    [InlineData("=1", "give ids with their weights")]
    [InlineData("none,facts", "none alone")]
    [InlineData("facts=-1", "0 to 1000")]
    [InlineData("facts=1001", "0 to 1000")]
    [InlineData("facts=NaN", "0 to 1000")]
    [InlineData("facts,FACTS=2", "named twice")]
    [InlineData("clip-tiny-random,clip-tiny-randon", "did you mean clip-tiny-random? there are facts, clip-tiny-random")]
    [InlineData("zzzzzzzzzz", "there are facts, clip-tiny-random")]
    public void A_shorthand_that_cannot_be_used_says_why(string shorthand, string remedy)
    {
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(() => Choose(new() { Scorer = shorthand }));
        Assert.Equal("scorer", exception.Field);
        Assert.Contains(remedy, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_whose_path_has_a_comma_and_an_equals_sign_is_one_scorer()
    {
        using ModelCopy copy = new(Path.Combine(TinyModels, "clip-tiny-random"));
        string odd = Path.Combine(copy.Root, "a=1,b=2");
        Directory.Move(copy.Path, odd);
        Assert.Equal(odd, Assert.Single(Choose(new() { Scorer = odd })).Folder!.Path);
    }

    public static TheoryData<string, string, SearchRequest> Wrong =>
        new()
        {
            {
                "scorer",
                "give one of the two",
                new() { Scorer = "facts", Scorers = [] }
            },
            {
                "scorers[1].id",
                "name a CLIP folder",
                new() { Scorers = [new() { Id = "facts" }, new() { Id = " " }] }
            },
            {
                "scorers[0].id",
                "leave the list empty",
                new() { Scorers = [new() { Id = "none" }] }
            },
            {
                "scorers[0].weight",
                "0 to 1000",
                new() { Scorers = [new() { Id = "facts", Weight = double.PositiveInfinity }] }
            },
            {
                "scorers[0].text",
                "surrogate",
                new() { Scorers = [new() { Id = "facts", Text = "\ud83d" }] }
            },
            {
                "scorers[0].phases",
                "each once",
                new() { Scorers = [new() { Id = "facts", Phases = [] }] }
            },
            {
                "scorers[0].phases",
                "each once",
                new() { Scorers = [new() { Id = "facts", Phases = [ScoringPhase.Final, ScoringPhase.Final] }] }
            },
            {
                "scorers[0].phases",
                "known are",
                new() { Scorers = [new() { Id = "facts", Phases = [(ScoringPhase)7] }] }
            },
            {
                "scorers[0].long_text",
                "known are",
                new() { Scorers = [new() { Id = "facts", LongText = (LongTextPolicy)7 }] }
            },
            {
                "combination",
                "known are",
                new() { Combination = (ScoreCombination)7 }
            },
            {
                "scorers",
                "it does not score checkpoints",
                new() { Scorers = [new() { Id = "facts", Phases = [ScoringPhase.Checkpoint] }] }
            },
            {
                "scorers",
                "up to 16",
                new() { Scorers = [.. Enumerable.Repeat(new ScorerRequest { Id = "facts" }, 17)] }
            },
        };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public void A_list_that_cannot_be_used_says_which_field(string field, string remedy, SearchRequest search)
    {
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(() => Choose(search));
        Assert.Equal(field, exception.Field);
        Assert.Contains(remedy, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_of_unlike_scales_are_not_added_up()
    {
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(
            () => Choose(new() { Scorer = "clip-tiny-random,facts" }));
        Assert.Equal("combination", exception.Field);
        Assert.Contains(
            "clip-tiny-random gives cosines and facts probabilities, which do not add up; use standard-scores or mean-rank",
            exception.Message,
            StringComparison.Ordinal);

        // Who watches is not added.
        Assert.Equal(2, Choose(new() { Scorer = "clip-tiny-random,facts=0" }).Count);
        Assert.Equal(2, Choose(new() { Scorer = "clip-tiny-random,facts", Combination = ScoreCombination.StandardScores }).Count);
    }

    [Fact]
    public void Without_a_wish_the_generators_own_scorer_scores_and_may_be_missing()
    {
        ScorerChoice own = Assert.Single(Catalog(Path.Combine(Golden.Repository, "models")).Choose(new(), Generator, _warnings));
        Assert.Equal(("emoji-clip", true), (own.Request.Id, own.Request.Optional));
        Assert.Empty(_warnings);
        Assert.Empty(Catalog(TinyModels).Choose(new(), null, _warnings));

        ScorerCatalog other = Catalog(TinyModels, new() { DefaultScorer = "gone" });
        Assert.Empty(other.Choose(new(), null, _warnings));
        Assert.Contains("no scores: scorer: 'gone'", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.Throws<InvalidRequestException>(() => other.Choose(new() { Scorers = [new() { Id = "gone" }] }, null, _warnings));
    }

    [Fact]
    public void Normalizing_makes_everything_explicit_and_then_changes_nothing()
    {
        SearchRequest search = new()
        {
            Scorers =
            [
                new() { Id = "CLIP-tiny-random", Text = "its own" },
                new()
                {
                    Id = "FACTS",
                    Weight = 0.5,
                    LongText = LongTextPolicy.Truncate,
                },
            ],
            Combination = ScoreCombination.MeanRank,
            LongText = LongTextPolicy.WindowsMean,
        };
        SearchRequest normalized = Normalize(search);
        Assert.Equal(
            """{"scorers":[{"id":"clip-tiny-random","weight":1,"text":"its own","long_text":"windows-mean","phases":["checkpoint","final"],"optional":false},{"id":"facts","weight":0.5,"text":"a cat","long_text":"truncate","phases":["final"],"optional":false}],"combination":"mean-rank","score_text":"a cat","long_text":"windows-mean"}""",
            JsonSerializer.Serialize(normalized, DiffusionClipJson.Compact));
        Assert.Equal(normalized, Normalize(normalized));

        // Also of what was read back.
        var read = JsonSerializer.Deserialize<SearchRequest>(
            JsonSerializer.Serialize(normalized, DiffusionClipJson.Compact), DiffusionClipJson.Compact)!;
        Assert.Same(read.Scorers, Normalize(read).Scorers);

        SearchRequest one = Normalize(new() { Scorer = "facts" });
        Assert.Null(one.Scorer);
        Assert.Null(one.Combination);
        Assert.Equal(
            ScoreCombination.WeightedSum, Normalize(new() { Scorer = "clip-tiny-random,clip-tiny-random-textual-visual" }).Combination);
        Assert.Equal([], Normalize(new() { Scorer = "none" }).Scorers);
        SearchRequest own = ScorerCatalog.Normalize(
            new(), Catalog(Path.Combine(Golden.Repository, "models")).Choose(new(), Generator, _warnings), "a cat");
        IReadOnlyList<ScorerChoice> again = Catalog(TinyModels).Choose(own, Generator, _warnings);
        Assert.Equal(own, ScorerCatalog.Normalize(own, again, "something else"));
    }

    [Fact]
    public void Pictures_that_exist_need_a_scorer_of_finished_pictures()
    {
        ScorerCatalog catalog = Catalog(TinyModels, new() { DefaultScorer = "clip-tiny-random" });
        Assert.Equal("clip-tiny-random", Assert.Single(catalog.ChooseForPictures(new(), toRank: true)).Request.Id);
        Assert.Contains(
            "need a scorer",
            Assert.Throws<InvalidRequestException>(() => catalog.ChooseForPictures(new() { Scorer = "none" }, toRank: false)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "it is not to score finished pictures",
            Assert.Throws<InvalidRequestException>(
                () =>
                    catalog.ChooseForPictures(
                        new() { Scorers = [new() { Id = "clip-tiny-random", Phases = [ScoringPhase.Checkpoint] }] }, toRank: true)).Message,
            StringComparison.Ordinal);

        // To rank, one scorer has a weight and scores combine; else every score stands for itself.
        SearchRequest watching = new() { Scorer = "facts=0" }, unlike = new() { Scorer = "clip-tiny-random,facts" };
        Assert.Contains(
            "every weight is 0",
            Assert.Throws<InvalidRequestException>(() => catalog.ChooseForPictures(watching, toRank: true)).Message,
            StringComparison.Ordinal);
        Assert.Throws<InvalidRequestException>(() => catalog.ChooseForPictures(unlike, toRank: true));
        Assert.Single(catalog.ChooseForPictures(watching, toRank: false));
        Assert.Equal(2, catalog.ChooseForPictures(unlike, toRank: false).Count);
        SearchRequest own = new() { Scorers = [new() { Id = "facts", Text = "a cat" }] };
        Assert.Contains(
            "leave text out",
            Assert.Throws<InvalidRequestException>(() => catalog.ChooseForPictures(own, toRank: false)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Two_registered_scorers_of_one_name_are_refused() =>
        Assert.Contains(
            "two registered scorers",
            Assert.Throws<InvalidRequestException>(() => Catalog(TinyModels, null, Facts(), Facts())).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task Refusals_leave_no_lease()
    {
        ScorerCatalog catalog = Catalog(TinyModels);
        for (int i = 0; i < 3; i++)
        {
            // A SigLIP refuses this policy when its scorer is made; by then its model is on loan.
            await Assert.ThrowsAsync<InvalidRequestException>(
                () => catalog.LeaseClipAsync("siglip-tiny-random", null, LongTextPolicy.WindowsMean, default));
            SearchRequest search = new() { Scorer = "siglip-tiny-random", LongText = LongTextPolicy.WindowsMean };
            await Assert.ThrowsAsync<InvalidRequestException>(() => LeaseAsync(catalog, search));
        }

        Assert.Equal((6, 0), (_store.Leased, _store.OnLoan));
    }

    [Fact]
    public async Task One_that_cannot_be_leased_gives_the_others_back()
    {
        _store.Broken = "clip-tiny-random-textual-visual";
        await Assert.ThrowsAsync<ModelFolderException>(
            () => LeaseAsync(Catalog(TinyModels), new() { Scorer = "clip-tiny-random,clip-tiny-random-textual-visual" }));
        Assert.Equal((1, 0), (_store.Leased, _store.OnLoan));

        var facts = new Scripted(_ => null!)
        {
            Descriptor = Scripted.Describe("facts", ScoreScale.Cosine),
            Ready = _ => throw new IOException("no such program"),
        };
        await Assert.ThrowsAsync<DiffusionClipException>(() =>
            LeaseAsync(Catalog(TinyModels, null, facts), new() { Scorer = "clip-tiny-random,facts" }));
        Assert.Equal((2, 0), (_store.Leased, _store.OnLoan));
    }

    [Fact]
    public async Task An_optional_one_that_cannot_be_leased_is_left_out_with_a_warning()
    {
        _store.Broken = "clip-tiny-random";
        Scripted facts = Facts();
        using (
            ScorerSet scorers = await LeaseAsync(
                Catalog(TinyModels, null, facts),
                new()
                {
                    Scorers = [new() { Id = "clip-tiny-random", Optional = true }, new() { Id = "facts" }],
                    Combination = ScoreCombination.MeanRank,
                }))
        {
            Assert.Equal("facts", Assert.Single(scorers.Entries).Request.Id);
            Assert.Null(scorers.Combination);
        }

        Assert.Contains("no scores of clip-tiny-random: ", Assert.Single(_warnings), StringComparison.Ordinal);
        Assert.False(facts.IsDisposed, "a registered scorer stays its host's");
        Assert.Equal(0, _store.OnLoan);
    }

    private IReadOnlyList<ScorerChoice> Choose(SearchRequest search) => Catalog(TinyModels).Choose(search, null, _warnings);

    private SearchRequest Normalize(SearchRequest search) => ScorerCatalog.Normalize(search, Choose(search), "a cat");

    private Task<ScorerSet> LeaseAsync(ScorerCatalog catalog, SearchRequest search)
    {
        IReadOnlyList<ScorerChoice> choices = catalog.Choose(search, null, _warnings);
        return catalog.LeaseAsync(ScorerCatalog.Normalize(search, choices, "a cat"), choices, "cpu", _warnings, default);
    }

    private static Scripted Facts() => new(batch => Scripted.Answer(batch, _ => 1))
    {
        Descriptor = Scripted.Describe("facts", ScoreScale.Probability) with { Phases = [ScoringPhase.Final] },
    };

    private ScorerCatalog Catalog(string models, PipelineOptions? options = null, params IImageScorer[] registered) => new(
        _store, Folders.Catalog([models]), registered.Length > 0 ? registered : [Facts()], options ?? new(), TimeProvider.System);

    /// <summary>Lends without loading, and counts.</summary>
    private sealed class FakeStore : IModelStore
    {
        private int _leased, _onLoan;

        public string? Broken { get; set; }

        public int Leased => _leased;

        public int OnLoan => _onLoan;

        public string Runtime => "none";

        public int Threads => 1;

        public Task<TLease> LeaseAsync<TLease>(ModelSpec spec, CancellationToken cancellationToken)
            where TLease : ModelLease
        {
            var folder = (ClipFolder)spec.Folder;
            if (folder.Id == Broken)
            {
                return Task.FromException<TLease>(new ModelFolderException(folder.Path, "broken"));
            }

            Interlocked.Increment(ref _leased);
            Interlocked.Increment(ref _onLoan);
            return Task.FromResult((TLease)(ModelLease)new FakeLease(this, folder));
        }

        public void Dispose()
        {
        }

        private sealed class FakeLease(FakeStore store, ClipFolder folder) : ClipLease
        {
            private int _isBack;

            public override ClipFolder Folder => folder;

            public override ITokenizer Tokenizer => null!;

            public override IClipTextEncoder TextEncoder => throw new NotSupportedException();

            public override IClipImageEncoder ImageEncoder => throw new NotSupportedException();

            public override ClipLogits Logits { get; } = new(1, 0);

            public override ProviderInUse Provider { get; } = new("cpu");

            public override string Precision => "float32";

            public override Task<ModelHashes> Hashes { get; } = Task.FromResult(new ModelHashes("0", new Dictionary<string, string>()));

            protected override void Dispose(bool disposing)
            {
                if (Interlocked.Exchange(ref _isBack, 1) == 0)
                {
                    Interlocked.Decrement(ref store._onLoan);
                }
            }
        }
    }
}
