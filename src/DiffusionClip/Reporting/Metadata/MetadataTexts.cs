namespace DiffusionClip.Reporting.Metadata;

/// <summary>What the readers of the programs' formats read from: texts by keyword, of equal keywords the first.</summary>
internal sealed class MetadataTexts
{
    private readonly Dictionary<string, string> first = [];

    public MetadataTexts(IEnumerable<KeyValuePair<string, string>> texts)
    {
        foreach ((string keyword, string text) in texts)
        {
            first.TryAdd(keyword, text);
        }
    }

    /// <summary>The text under a keyword; null if there is none.</summary>
    public string? this[string keyword] => first.GetValueOrDefault(keyword);

    /// <summary>What went wrong on the way.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>The JSON object under a keyword; null, with a note, if the text there is none.</summary>
    public JsonTree? Object(string keyword)
    {
        if (this[keyword] is not { } text)
        {
            return null;
        }

        JsonTree? tree = JsonTree.ParseObject(text);
        if (tree is null)
        {
            Notes.Add($"{keyword}: is no JSON object that can be read; left out.");
        }

        return tree;
    }
}
