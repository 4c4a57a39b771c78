using System.Diagnostics;

namespace DiffusionClip.Worker.Tests;

/// <summary>Programs of the system.</summary>
internal static class Shell
{
    /// <summary>Whether a program is there and ends well.</summary>
    public static bool Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
