using System.Globalization;

namespace DiffusionClip.Files;

/// <summary>Names for what must not overwrite anything: one that is taken gets a number.</summary>
public static class FreeName
{
    /// <summary>
    /// Moves something to the first free of <c>name</c>, <c>name-2</c>, <c>name-3</c> …; a file's extension stays at the end.
    /// </summary>
    /// <param name="folder">Where.</param>
    /// <param name="name">The name wanted.</param>
    /// <param name="move">Moves it to a path; throws <see cref="IOException"/> where another process was faster.</param>
    /// <returns>The path it has now.</returns>
    /// <exception cref="IOException">It cannot be moved, though the name is free.</exception>
    public static string Take(string folder, string name, Action<string> move)
    {
        ArgumentNullException.ThrowIfNull(move);
        string stem = Path.GetFileNameWithoutExtension(name), extension = Path.GetExtension(name);
        for (int number = 1; ; number++)
        {
            string free = number == 1 ? name : string.Create(CultureInfo.InvariantCulture, $"{stem}-{number}{extension}");
            string path = Path.Combine(folder, free);
            if (Path.Exists(path))
            {
                continue;
            }

            try
            {
                move(path);
                return path;
            }
            catch (IOException) when (Path.Exists(path))
            {
                // Another process was faster with this name.
            }
        }
    }
}
