using System.Collections.Concurrent;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DiffusionClip.Cli.Output;

/// <summary>Shows a run while it runs: bars drawn in place on a terminal, plain lines elsewhere, nothing when quiet.</summary>
internal sealed class ProgressView(Terminal terminal, bool quiet)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(80);
    private static readonly Stage[] Shown = [Stage.Models, Stage.Conditioning, Stage.Denoising, Stage.Decoding, Stage.Scoring];

    private readonly ConcurrentQueue<string> _notes = new();
    private volatile bool _isDrawing;

    /// <summary>Says something without breaking what is drawn.</summary>
    public void Note(string message)
    {
        if (_isDrawing)
        {
            _notes.Enqueue(message);
        }
        else
        {
            terminal.Say(message);
        }
    }

    /// <summary>Runs something and shows its progress until it ends.</summary>
    /// <param name="title">What runs.</param>
    /// <param name="details">With which settings.</param>
    /// <param name="progress">Where it counts.</param>
    /// <param name="candidates">Candidates expected.</param>
    /// <param name="run">Starts it.</param>
    public async Task<T> WatchAsync<T>(string title, string details, RunProgress progress, int candidates, Func<Task<T>> run)
    {
        if (quiet)
        {
            return await run().ConfigureAwait(false);
        }

        return terminal.ErrorIsRich
            ? await DrawAsync(title, details, progress, candidates, run).ConfigureAwait(false)
            : await PrintAsync($"{title}: {details}", progress, candidates, run).ConfigureAwait(false);
    }

    private async Task<T> PrintAsync<T>(string title, RunProgress progress, int candidates, Func<Task<T>> run)
    {
        terminal.Say(title);
        var shown = new HashSet<Stage>();
        Task<T> running = run();
        while (true)
        {
            bool last = running.IsCompleted;
            foreach (Stage stage in Shown)
            {
                if (progress.HasBegun(stage) && shown.Add(stage))
                {
                    terminal.Say(Name(stage));
                }
            }

            while (progress.TryNext(out CandidateNews news))
            {
                terminal.Say(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"candidate {news.Index + 1} of {Math.Max(candidates, progress.Started)}: {Describe(news)}"));
            }

            if (last)
            {
                return await running.ConfigureAwait(false);
            }

            await Task.WhenAny(running, Task.Delay(Pace)).ConfigureAwait(false);
        }
    }

    private async Task<T> DrawAsync<T>(string title, string details, RunProgress progress, int candidates, Func<Task<T>> run)
    {
        IAnsiConsole console = terminal.ErrorConsole();
        console.MarkupLine($"[bold]{Markup.Escape(Terminal.OneLine(title))}[/]");
        console.MarkupLine($"[grey]{Markup.Escape(Terminal.OneLine(details))}[/]");
        Task<T> running = run();
        _isDrawing = true;
        try
        {
            await console.Progress()
                .AutoRefresh(false)
                .AutoClear(true)
                .ExcludeVerticalPadding()
                .Columns(
                    new SpinnerColumn(Spinner.Known.Dots) { CompletedText = "[green]✓[/]", PendingText = " " },
                    new TaskDescriptionColumn { Alignment = Justify.Left },
                    new ProgressBarColumn { Width = 30 },
                    new DetailColumn())
                .StartAsync(context => ShowAsync(context, console, progress, candidates, running))
                .ConfigureAwait(false);
        }
        finally
        {
            _isDrawing = false;
            TellNotes(console);
        }

        return await running.ConfigureAwait(false);
    }

    private async Task ShowAsync(ProgressContext context, IAnsiConsole console, RunProgress progress, int candidates, Task running)
    {
        Dictionary<Stage, ProgressTask> tasks = Shown.ToDictionary(stage => stage, stage => context.AddTask(Name(stage), autoStart: false));
        while (true)
        {
            bool last = running.IsCompleted;
            TellNotes(console);
            while (progress.TryNext(out CandidateNews news))
            {
                string style = news.Event switch { CandidateEvent.Failed => "red", CandidateEvent.Stopped => "yellow", _ => "default" };
                Above(console, string.Create(CultureInfo.InvariantCulture, $"  candidate {news.Index + 1}  {Describe(news)}"), style);
            }

            foreach ((Stage stage, ProgressTask task) in tasks)
            {
                Update(task, stage, progress, candidates);
            }

            context.Refresh();
            if (last)
            {
                return;
            }

            await Task.WhenAny(running, Task.Delay(Pace)).ConfigureAwait(false);
        }
    }

    private static void Update(ProgressTask task, Stage stage, RunProgress progress, int candidates)
    {
        if (!progress.HasBegun(stage))
        {
            return;
        }

        if (!task.IsStarted)
        {
            task.StartTask();
        }

        (double done, double total, string unit) = stage switch
        {
            Stage.Denoising => (progress.EvaluationsDone, progress.EvaluationsTotal, "evaluations"),
            Stage.Decoding or Stage.Scoring => (progress.Count(stage), Math.Max(candidates, progress.Count(stage)), "pictures"),
            _ => (progress.Count(stage), 1, ""),
        };
        task.MaxValue = Math.Max(1, total);
        task.IsIndeterminate = total == 0 || (total == 1 && done == 0);
        task.Value = Math.Min(done, task.MaxValue);
        string count = unit.Length > 0 && total > 0 ? string.Create(CultureInfo.InvariantCulture, $"{done}/{total} {unit}  ") : "";
        task.Tag = string.Create(CultureInfo.InvariantCulture, $"{count}{progress.Elapsed(stage).TotalSeconds:0.00} s");
    }

    private void TellNotes(IAnsiConsole console)
    {
        while (_notes.TryDequeue(out string? note))
        {
            Above(console, note, "yellow");
        }
    }

    // Padded: what is drawn in place is written over, not cleared.
    private void Above(IAnsiConsole console, string line, string style) =>
        console.MarkupLine($"[{style}]{Markup.Escape(Terminal.OneLine(line).PadRight(terminal.Width - 1))}[/]");

    private static string Describe(CandidateNews news)
    {
        string seed = string.Create(CultureInfo.InvariantCulture, $"seed {news.Seed}");
        return news.Event switch
        {
            CandidateEvent.Failed => $"{seed}, failed: {news.Reason}",
            CandidateEvent.Stopped => $"{seed}, stopped: {news.Reason}",
            _ => news.Score is { } score
                ? string.Create(CultureInfo.InvariantCulture, $"{seed}, score {score:0.0000}")
                : $"{seed}, no score",
        };
    }

    private static string Name(Stage stage) => stage switch
    {
        Stage.Models => "models",
        Stage.Conditioning => "conditioning",
        Stage.Denoising => "denoising",
        Stage.Decoding => "decoding",
        _ => "scoring",
    };

    /// <summary>Counts and time of a stage.</summary>
    private sealed class DetailColumn : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Spectre.Console.Text(task.Tag as string ?? "", new Style(Color.Grey));
    }
}
