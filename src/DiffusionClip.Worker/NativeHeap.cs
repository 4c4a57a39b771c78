using System.Runtime.InteropServices;

namespace DiffusionClip.Worker;

/// <summary>The native heap of the process, from which ONNX Runtime and Skia take their memory.</summary>
internal static partial class NativeHeap
{
    // M_ARENA_MAX of glibc's malloc.h.
    private const int ArenaMax = -8;

    /// <summary>
    /// Has all threads share two of the C library's arenas. glibc would make as many as eight per core, one for each thread that allocates;
    /// what is freed in one serves no other, so pool threads that take turns at models and pictures would keep many times what one of them
    /// needs. <c>MALLOC_ARENA_MAX</c> of the environment has precedence. Other C libraries have nothing to set.
    /// </summary>
    /// <remarks>Arenas that exist stay: it is said before threads are started.</remarks>
    public static void ShareArenas()
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("MALLOC_ARENA_MAX") is not null)
        {
            return;
        }

        try
        {
            _ = SetOption(ArenaMax, 2);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has one heap for all threads.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
