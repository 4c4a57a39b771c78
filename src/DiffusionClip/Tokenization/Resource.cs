namespace DiffusionClip.Tokenization;

/// <summary>Tables that travel inside the assembly.</summary>
internal static class Resource
{
    /// <summary>Lines of a file of the folder Data.</summary>
    public static IEnumerable<string> Lines(string file)
    {
        using Stream stream = typeof(Resource).Assembly.GetManifestResourceStream($"{typeof(Resource).Namespace}.Data.{file}")
            ?? throw new InvalidOperationException($"The assembly lacks its table {file}.");
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }
}
